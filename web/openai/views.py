"""/v1/models, /v1/chat/completions and /v1/embeddings, by API token."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http import StreamingHttpResponse as Streaming
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from orchestrator.serving import customer
from orchestrator.serving.wire import Order, body_of
from web.openai import answers, held
from web.openai.errors import Refused, answer, told_by_node
from web.openai.shapes import Chat, Embed, read

View = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
News = AsyncIterator[dict[str, Any]]


def speaking(*methods: str) -> Callable[[View], View]:
    """For views of OpenAI's protocol: whatever goes wrong is told in its shape."""

    def wrap(view: View) -> View:
        @csrf_exempt
        @functools.wraps(view)
        async def guarded(request: HttpRequest) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    raise Refused(405, f"{request.method} is not possible here.")
                return await view(request)
            except Refused as refused:
                return answer(refused)
            except RequestDataTooBig:
                return answer(Refused(413, "The body is too large."))
            except customer.QueueFull as full:
                said = f"{full} Try again later."
                return answer(Refused(429, said, type="rate_limit_error", code="overloaded"))
            except customer.NobodyAnswers as nobody:
                said = f"{nobody} Is its worker running?"
                return answer(Refused(503, said, type="server_error", code="model_unavailable"))
            except (OperationalError, RedisError, OSError):
                said = "The house is not complete: its database or broker is away. Try again."
                return answer(Refused(503, said, type="server_error"))

        return guarded

    return wrap


@speaking("GET")
async def models(request: HttpRequest) -> HttpResponse:
    await sync_to_async(held.holder)(request, acts=False)
    found = await sync_to_async(held.models)()
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "forestaff"}
        for name in sorted(found)
    ]
    return JsonResponse({"object": "list", "data": data})


@speaking("POST")
async def chat(request: HttpRequest) -> HttpResponseBase:
    token = await sync_to_async(held.holder)(request)
    asked = read(Chat, request.body)
    is_loaded = await sync_to_async(held.is_loaded)(asked.model)
    order = Order("chat", asked.model, token.pk, body_of(asked.request()))
    news = customer.follow(order, is_loaded=is_loaded)
    try:
        first = await anext(news)
        if "error" in first:
            raise told_by_node(first)
    except BaseException:
        await news.aclose()
        raise
    told = answers.Answer(asked, order.id, int(time.time()))
    if not asked.stream:
        return JsonResponse(await told.whole(_all(first, news)))
    response = Streaming(told.events(_all(first, news)), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


@speaking("POST")
async def embeddings(request: HttpRequest) -> HttpResponse:
    token = await sync_to_async(held.holder)(request)
    asked = read(Embed, request.body)
    await sync_to_async(held.check_embedder)(asked.model)
    order = Order("embed", asked.model, token.pk, {"texts": asked.texts})
    async for news in customer.follow(order, is_loaded=False):
        if "error" in news:
            raise told_by_node(news)
        if "done" in news:
            return JsonResponse(answers.vectors(asked, news))
    raise customer.NobodyAnswers(f"No node answers for {asked.model}.")


async def _all(first: dict[str, Any], news: News) -> News:
    """The news from the first on. Closed together with whoever follows it."""
    try:
        yield first
        async for each in news:
            yield each
    finally:
        await news.aclose()  # type: ignore[attr-defined]
