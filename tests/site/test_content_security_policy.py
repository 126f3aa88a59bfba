"""Every page says which scripts it may run.

That no page breaks its own policy is asked in test_pages.py, when the page is loaded.
"""

from bs4 import BeautifulSoup
import pytest

from built import SITE, pages


def policy(page: str) -> dict[str, list[str]]:
    """The sources that the policy of a page allows, by directive."""
    text = (SITE / page).read_text(encoding="utf-8")
    head = BeautifulSoup(text, "html.parser").head
    (found,) = head.select('meta[http-equiv="Content-Security-Policy"]')
    directives = (each.split() for each in found["content"].split(";"))
    return {name: sources for name, *sources in directives}


@pytest.mark.parametrize("page", pages())
def test_a_page_allows_no_script_but_the_site_s_and_those_it_names(page):
    found = policy(page)
    scripts = found.get("script-src", found["default-src"])
    assert scripts and "*" not in scripts
    assert not {"'unsafe-inline'", "'unsafe-eval'", "data:", "https:"} & set(scripts)
    # Nothing that runs stands before the policy.
    text = (SITE / page).read_text(encoding="utf-8")
    assert "<script" not in text.partition("Content-Security-Policy")[0]


def test_a_script_in_a_page_is_refused(window):
    """The event that test_pages.py counts does come."""
    with window("wide") as visit:
        page = visit.open("book/index.html")
        found = page.evaluate("""() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) =>
                done(event.violatedDirective));
            const script = document.createElement("script");
            script.textContent = "globalThis.ran = true";
            document.head.append(script);
        })""")
        assert found == "script-src-elem"
        assert page.evaluate("globalThis.ran") is None
