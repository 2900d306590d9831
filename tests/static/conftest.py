"""One service, one browser and one site for all tests here; a context with its pages for each."""

from collections.abc import Iterator

import pytest
import redis
from playwright.sync_api import Browser

from tests.chromium import chromium
from tests.static.service import Service
from tests.static.shop import Shop, Site, site


@pytest.fixture(scope="package")
def own_site() -> Iterator[Site]:
    with site() as served:
        yield served


@pytest.fixture(scope="package")
def service(valkey: str, own_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    service = Service(valkey, tmp_path_factory.mktemp("data"), own_site.origin)
    yield service
    service.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def shop(browser: Browser, service: Service, own_site: Site) -> Iterator[Shop]:
    context = browser.new_context()
    shop = Shop(context, own_site, service.url)
    yield shop
    context.close()
    assert shop.complaints == []
