"""Documents: to give, to follow while they are read, to look into, to forget."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from orchestrator.intake import GivenFile, NoRoom
from orchestrator.memory import library
from orchestrator.tools.base import FileProblem
from staff import queries
from staff.actions import documents as actions
from staff.actions import memory
from staff.actions.drafts import MemoryRefused
from staff.domain.passages import below_head
from staff.models import Document, DocumentVersion, Passage
from web.goals.lookups import number
from web.memory.downloads import sent_version
from web.memory.forms import scope_select
from web.memory.views import sight_of
from web.workspaces import acting, seated

PAGE = 25
PASSAGES = 50
MAX_FILES = 50


@seated
@never_cache
def documents(request: HttpRequest) -> HttpResponse:
    """The documents, and where to drop new ones. While some are read, the rows come anew."""
    sight = sight_of(request)
    pages = Paginator(queries.documents_of(sight), PAGE)
    page = pages.get_page(request.GET.get("page", "1")[:6])
    facts = {"page": page, "is_reading": any(each.newest.is_open for each in page)}
    if request.htmx:
        return render(request, "memory/document_rows.html", facts)
    settle_count = queries.count_to_settle(sight)
    facts |= {"scope_select": scope_select(request.workspace), "settle_count": settle_count}
    return render(request, "memory/documents.html", facts)


@acting
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Take the files in; what cannot be kept is named with the reason."""
    files = request.FILES.getlist("files")
    try:
        scope = memory.scope_named(
            request.workspace, request.user, request.POST.get("scope") or "workspace"
        )
    except MemoryRefused as reason:
        messages.error(request, str(reason))
        return redirect("documents")
    if not files:
        messages.error(request, _("Choose a file, or drop one here."))
    if len(files) > MAX_FILES:
        messages.error(request, _("Only the first %s files were taken.") % MAX_FILES)
    taken = 0
    for file in files[:MAX_FILES]:
        try:
            given = library.add(scope, request.user, GivenFile(file.name, file.file, file.size))
        except (MemoryRefused, NoRoom) as reason:
            messages.error(request, str(reason))
            continue
        if given.outcome == "known":
            messages.info(request, _("%s is there already.") % given.document.name)
        else:
            taken += 1
    if taken:
        said = ngettext("%s document is being read.", "%s documents are being read.", taken)
        messages.success(request, said % taken)
    return redirect("documents")


@seated
@never_cache
def document(request: HttpRequest, document_id: int) -> HttpResponse:
    """The passages of a version, with an anchor for each; ?at= is the one to open."""
    shown = document_or_404(request, document_id)
    version = version_or_404(shown, request.GET.get("version", ""))
    if request.htmx:
        answer = render(request, "memory/reading.html", {"document": shown, "version": version})
        if not version.is_open:
            answer["HX-Refresh"] = "true"  # the passages are there now
        return answer
    pages = Paginator(queries.passages_of(version), PASSAGES)
    at = number(request.GET.get("at", ""))
    page = pages.get_page((at - 1) // PASSAGES + 1 if at else request.GET.get("page", "1")[:6])
    facts = {
        "document": shown,
        "version": version,
        "page": page,
        "passages": [(each, body_of(shown, each)) for each in page],
        "said": version.passages.exclude(memory=None).count(),
    }
    return render(request, "memory/document.html", facts)


@seated
def content(request: HttpRequest, document_id: int) -> HttpResponse:
    """The file as it was given."""
    shown = document_or_404(request, document_id)
    try:
        return sent_version(version_or_404(shown, request.GET.get("version", "")))
    except FileProblem as gone:
        messages.error(request, str(gone))
        return redirect("document", document_id)


@acting
@require_POST
def forget(request: HttpRequest, document_id: int) -> HttpResponse:
    shown = document_or_404(request, document_id)
    gone = actions.forget(shown, by=request.user.get_username())
    said = ngettext(
        "%(name)s is forgotten: %(n)s memory went with it.",
        "%(name)s is forgotten: %(n)s memories went with it.",
        gone,
    )
    messages.success(request, said % {"name": shown.name, "n": gone})
    return redirect("documents")


def document_or_404(request: HttpRequest, document_id: int) -> Document:
    try:
        return queries.document_of(sight_of(request), document_id)
    except Document.DoesNotExist:
        raise Http404 from None


def version_or_404(shown: Document, wanted: str) -> DocumentVersion:
    """The version of that number; else the one that is remembered, else the newest."""
    if (given := number(wanted)) is None:
        return shown.current or shown.newest
    for version in shown.versions.all():
        if version.number == given:
            return version
    raise Http404


def body_of(shown: Document, passage: Passage) -> str:
    if passage.memory is None:
        return ""
    return below_head(passage.memory.text, shown.name, passage.heading)
