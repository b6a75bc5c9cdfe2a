import math

import pytest

from hyco_jax.scoring import table


def test_the_table_of_a_small_example_is_exact_and_in_the_order_of_rows():
    rows = {
        "hybrid_physical": {"coefficient_error": math.nan, "val/valid_time": 10.0},
        "initial_guess": {"coefficient_error": 1.23456, "val/nrmse": None},
    }
    assert table.format_table(rows).split("\n") == [
        "| method          | coef. error | valid time |",
        "| --------------- | ----------: | ---------: |",
        "| initial guess   |        1.23 |          - |",
        "| hybrid physical |    diverged |       10.0 |",
        "",
        "Coef. error: the largest relative error of the learned coefficients. Valid "
        "time: on",
        "validation.",
    ]


def test_the_caption_is_about_the_columns_shown():
    divergence = {"physical_alone": {"val/max_divergence": 1e-6}}
    text = table.format_table(divergence)
    assert "max div" in text.split("\n")[0] and "Max div: the largest" in text
    assert "nRMSE" not in text and "learned coefficients" not in text
    divergence["physical_alone"] = {"val/max_divergence": None, "train/nrmse": 0.1}
    text = table.format_table(divergence)
    assert "Max div" not in text and "nRMSE of rollouts" in text


def test_every_column_has_a_sentence_in_the_caption():
    described = {column for about in table.SENTENCES.values() for column in about}
    assert described == {*table.COLUMNS, *table.FAMILIES}


def test_readings_are_told_by_channel_and_in_their_units_beside_the_baseline():
    rows = {
        "hybrid_physical": {
            "coefficient/conductivity": 7.6e-7,
            "coefficient/rate_of_decay": 2.0,
            "held_out/rmse_u": 0.5,
            "held_out/rmse_wind_x": 3.0,
            "held_out/nrmse": 0.125,
        },
        "interpolation": {
            "held_out/nrmse": 0.25,
            "held_out/rmse_u": 1.0,
            "held_out/rmse_wind_x": None,
        },
    }
    units = {"rmse_u": "°C", "rmse_wind_x": "", "coefficient/conductivity": "m²/s"}
    units |= {"coefficient/missing": "m", "rmse": "K"}
    lines = table.format_table(rows, units).split("\n")
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[:4]]
    assert cells[0] == [
        *("method", "conductivity", "rate of decay", "held out"),
        *("held out rmse u", "held out rmse wind x"),
    ]
    assert cells[2][1:] == ["7.60e-07", "2.00", "0.125", "0.500", "3.00"]
    assert cells[3] == ["interpolation", "-", "-", "0.250", "1.00", "-"]
    caption = " ".join(lines[5:])
    assert caption.endswith("Units: rmse u in °C, conductivity in m²/s.")
    for text in ("Interpolation: linear", "nRMSE of readings", "Columns named after"):
        assert text in caption
    assert "Chi²" not in caption and "learned coefficients" not in caption


def test_chi2_is_explained_without_nrmse():
    columns = {
        f"{s}/{name}": 1.0 for s in ("train", "test") for name in ("chi2", "rmse")
    }
    columns |= {"val/chi2": 1.0}
    lines = table.format_table({"physical_alone": columns}, {"rmse": "K"}).split("\n")
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[1:] == ["train chi²", "train rmse", "test chi²", "test rmse"]
    caption = " ".join(lines[4:])
    assert "Chi²" in caption and "Units: rmse in K." in caption
    assert "nRMSE" not in caption and "Interpolation" not in caption


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "-"),
        (0.0, "0"),
        (0.019482, "0.0195"),
        (0.2, "0.200"),
        (9.999, "10.0"),
        (-1.5, "-1.50"),
        (123.456, "123"),
        (1234.5, "1230"),
        (0.00012345, "0.000123"),
        (0.0000999951, "0.000100"),
        (1.2345e-5, "1.23e-05"),
        (1.2345e7, "1.23e+07"),
        (math.nan, "diverged"),
        (-math.inf, "diverged"),
    ],
)
def test_a_number_has_three_significant_digits(value, text):
    assert table.format_number(value) == text


@pytest.mark.parametrize("hidden", ["val/", "test/"])
def test_every_column_shows_its_own_value(hidden):
    columns = [column for column in table.COLUMNS if not column.startswith(hidden)]
    values = {column: i / 100 for i, column in enumerate(columns)}
    line = table.format_table({"physical_alone": values}).split("\n")[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["physical alone", *map(table.format_number, values.values())]


def test_validation_gives_way_to_test():
    val = {"val/nrmse": 0.1, "val/valid_time": 5.0, "val/max_divergence": 1e-6}
    test = {column.replace("val/", "test/"): 2.0 for column in val}
    alone = table.format_table({"physical_alone": val})
    assert "validation simulations" in alone and "on test" not in alone
    both = table.format_table({"physical_alone": val | test, "hybrid_physical": val})
    assert both == table.format_table({"physical_alone": test, "hybrid_physical": {}})
    header, caption = both.split("\n")[0], " ".join(both.split("\n")[5:])
    names = [cell.strip() for cell in header.strip("|").split("|")]
    assert names == ["method", "test", "valid time", "max div"]
    assert "validation" not in caption and "Valid time: on test." in caption


@pytest.mark.parametrize(
    "rows", [{"hybrid": {}}, {"physical_alone": {"nrmse": 1.0}}], ids=["row", "column"]
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(rows):
    with pytest.raises(ValueError, match=r"unknown .*(hybrid|nrmse).*; use the names"):
        table.format_table(rows)


@pytest.mark.parametrize(
    ("value", "errors", "text"),
    [
        (0.49832, [0.0021], "0.4983 ± 0.0021"),
        (0.49832, [0.0021, 0.034], "0.4983 ± 0.0021 ± 0.0340"),
        (0.5, [0.0996], "0.50 ± 0.10"),
        (2.0, [31.0], "2 ± 31"),
        (7.62e-7, [1.3e-8], "(7.62 ± 0.13)e-07"),
        (0.5, [], "0.500"),
        (0.5, [math.inf], "0.500 ± diverged"),
        (None, [0.1], "- ± 0.100"),
    ],
)
def test_errors_have_two_digits_and_the_number_as_many_decimals(value, errors, text):
    assert table.format_estimate(value, errors) == text


def test_what_is_behind_a_number_stands_in_its_column():
    rows = {
        "physical_alone": {
            "coefficient/rate": 0.25,
            "coefficient_noise/rate": 0.01,
            "coefficient_grid/rate": 0.02,
        },
        "initial_guess": {"coefficient/rate": 0.1},
    }
    header, _, guess, fitted, *rest = table.format_table(rows).split("\n")
    assert header.split("|")[2].strip() == "rate"
    assert guess.split("|")[2].strip() == "0.100"
    assert fitted.split("|")[2].strip() == "0.250 ± 0.010 ± 0.020"
    caption = " ".join(rest)
    assert "First ±: the standard error" in caption and "Last ±: what" in caption
