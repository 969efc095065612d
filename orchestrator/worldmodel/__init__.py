"""A model of the world that plans in a latent space: encode, predict, roll out, cost, plan.

`base` says what a world is; `worlds/` holds the adapters; `model` is the engine on one page. `base`
and the worlds need no torch.
"""
