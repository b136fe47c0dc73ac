import base64
import hashlib
import re

from edgenas.reporting.page_frame import rendered


def test_the_policy_allows_this_style_and_this_script_alone() -> None:
    page = _page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    (style,), scripts = (
        re.findall(r"<style>(.*?)</style>", page, re.S),
        re.findall(r"<script>(.*?)</script>", page, re.S),
    )
    for kind, content in (("style", style), *(("script", each) for each in scripts)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert "connect-src" not in policy[1] and "default-src 'none'" in policy[1]


def test_content_cannot_end_its_element() -> None:
    assert "</script><b>" not in _page("</script><b>")


def _page(text: str = "") -> str:
    head = rendered("head.html.jinja", {}, title="x").decode()
    return head + rendered("foot.html.jinja", {"text": text}, version="1").decode()
