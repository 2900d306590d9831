import httpx


async def test_the_page_is_revalidated_not_cached(web: httpx.AsyncClient) -> None:
    page = await web.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    again = await web.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


async def test_its_files_have_their_types(web: httpx.AsyncClient) -> None:
    for name, kind in [("style.css", "text/css"), ("tidings.js", "text/javascript")]:
        response = await web.get(f"/static/{name}")
        assert response.headers["content-type"].startswith(kind)
        assert response.headers["cache-control"] == "no-cache"


async def test_files_come_packed_to_who_can_unpack_them(web: httpx.AsyncClient) -> None:
    plain = await web.get("/static/style.css", headers={"Accept-Encoding": "identity"})
    packed = await web.get("/static/style.css", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    for known in (plain, packed):
        again = await web.get("/static/style.css", headers={"If-None-Match": known.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
