import pytest
from feature_tables import odd_table, small_table


@pytest.fixture
def table():
    return small_table()


@pytest.fixture
def odd():
    return odd_table()
