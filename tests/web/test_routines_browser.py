"""A routine made in a real browser: the preview follows the typing; no policy is offended."""

from __future__ import annotations

import os

import pytest

from staff.models import Routine
from tests.web.test_browser import page as page  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("FORESTAFF_SHOTS", "")


def shot(seen, name):
    """A picture to look at, where one was asked for."""
    if SHOTS:
        seen.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_the_next_five_runs_follow_the_typing(page, boss):
    page.goto("/routines")
    shot(page, "routines-empty")
    page.click("text=On a schedule")
    zone = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    assert page.input_value("#id_time_zone") == zone
    page.fill("#id_name", "Weekly report")
    page.fill("#id_text", "Sum up the week that ends on {date}")
    page.fill("#id_cron", "0 25 * * 5")
    page.wait_for_selector("text=is no hour")
    page.fill("#id_time_zone", "Europe/Berlin")
    page.fill("#id_cron", "0 18 * * 5")
    page.wait_for_selector(".runs li >> nth=4")
    assert all(
        "Fri" in run and "18:00" in run for run in page.locator(".runs li").all_inner_texts()
    )
    page.wait_for_selector(".sample:has-text('ends on 20')")
    shot(page, "routine-new")
    page.click("button:has-text('Save')")
    page.wait_for_selector("text=It has not fired yet")
    assert Routine.objects.get().cron == "0 18 * * 5"
    page.click("text=Run now")
    page.wait_for_selector("text=given by the routine")
    page.click("a:has-text('Weekly report')")
    page.wait_for_selector("text=run by boss")
    shot(page, "routine")
    assert page.refused == []


def test_a_webhook_shows_its_address_with_a_call_to_copy(page, boss):
    page.goto("/routines/new?trigger=webhook")
    page.fill("#id_name", "Tickets")
    page.fill("#id_text", "Draft an answer to this ticket")
    page.click("button:has-text('Save')")
    page.wait_for_selector("#secret")
    assert "/hooks/" in page.inner_text("#secret")
    shot(page, "routine-webhook")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/routines/new?trigger=folder")
    assert page.input_value("#id_folder") == "scans"
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"the page is {wide} px wide on a phone"
    shot(page, "routine-folder-phone")
    assert page.refused == []
