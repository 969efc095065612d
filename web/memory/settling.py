"""What only the boss can settle: contradictions in quarantine, and facts that may be one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from orchestrator import memory as memories
from staff import queries
from staff.actions import memory
from staff.actions.memory import MemoryRefused
from web.goals.lookups import number
from web.memory.views import memory_or_404, sight_of
from web.workspaces import acting, seated


@seated
def settle(request: HttpRequest) -> HttpResponse:
    sight = sight_of(request)
    conflicts = queries.to_settle(sight)
    facts = {
        "conflicts": conflicts,
        "pairs": memories.duplicates(sight),
        "settle_count": len(conflicts),
    }
    return render(request, "memory/settle.html", facts)


@acting
@require_POST
def keep_both(request: HttpRequest) -> HttpResponse:
    """They are two: do not ask again."""
    pair = [memory_or_404(request, number(request.POST.get(key, "")) or 0) for key in "ab"]
    try:
        memory.keep_both(*pair, by=request.user.get_username())
        messages.success(request, _("Both stay."))
    except MemoryRefused as reason:
        messages.error(request, str(reason))
    return redirect("settle-memories")
