import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgenas.reporting.html_page import write_html
from edgenas.searchers.choice_contributions import Contribution

Make = Callable[..., Any]
LOADING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """Text a person sees, scripts, styles and attributes of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.shown: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in LOADING]
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        places = {"script": self.scripts, "style": self.styles}
        places.get(self._inside, self.shown).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split()).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")

    @property
    def content(self) -> dict[str, Any]:
        """What the scripts show."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found

    @property
    def figure(self) -> str:
        """Data of the front's chart."""
        return self.chart("front")

    @property
    def charts(self) -> list[str]:
        return [chart["name"] for chart in self.content["charts"]]

    def chart(self, name: str) -> str:
        """Data of the chart of that name; there must be exactly one."""
        (found,) = [chart for chart in self.content["charts"] if chart["name"] == name]
        return json.dumps(found, separators=(",", ":"))


@pytest.fixture
def page(make_view: Make, tmp_path: Path) -> Callable[..., Page]:
    def write(**changes: Any) -> Page:
        write_html(make_view(**changes), tmp_path / "report.html")
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


def test_page_needs_no_network(page: Make) -> None:
    made = page()
    assert made.loaded == []
    assert not {"link", "iframe", "img", "object", "embed", "base"} & set(made.tags)
    assert not re.search(r"url\(|@import", "".join(made.styles))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made.source)
    assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]


def test_each_model_is_shown_with_interval_and_provenance(page: Make, make_view: Make) -> None:
    text = page().text
    for model in make_view().result.front:
        assert model.id in text
        assert model.onnx in text
    assert "0.500 ms [0.250 to 1.00] datasheet estimate" in text
    assert "1.60 ms [0.800 to 3.20] datasheet estimate 1.76 ms 77.00 % 97.00 % 96.00 % 16 12 k 1.2 M" in text
    assert "1.2 M 2.1e-06" in text


def test_headline_names_best_model_device_data_limit_and_notes(page: Make) -> None:
    text = page().text
    assert "97.00 % validation accuracy test 96.00 % 1.60 ms predicted [0.800 to 3.20]" in text
    assert "Best model: 0000000003 , deployed as exports/demo/0000000003.onnx" in text
    assert "measured at 1.76 ms" in text
    assert "Device jetson-orin-nano" in text
    assert "Data digits" in text
    assert "Latency limit 20 ms not binding" in text
    assert "the device cannot be reached from here" in text


def test_dropped_and_failed_ones_come_with_their_reason(page: Make) -> None:
    text = page().text
    assert "measured 1.32 ms, dominated by 0000000002" in text
    assert "Failed evaluations" in text
    assert "2 x k3e3, k5e6, skip the loss is nan in epoch 1" in text


def test_chart_has_every_series_with_its_kind(page: Make) -> None:
    figure = page().figure
    for name in ("evaluated (supernet", "non-dominated (supernet", "front (validation"):
        assert f'"name":"{name} accuracy)"' in figure
    assert '"name":"dropped (validation accuracy)"' in figure
    assert '"name":"measured latency"' in figure
    assert "predicted latency, ms (datasheet estimate)" in figure
    assert "limit 20 ms: beyond the slowest network" in figure


def test_settings_versions_and_times_are_listed(page: Make) -> None:
    text = page().text
    for part in (
        "finalist_recipe.epochs 3",
        "1 thread, batch 1, 15W",
        "python 3.11.2",
        "supernet 1 min 02 s",
    ):
        assert part in text


def test_hostile_texts_stay_texts(page: Make, model: Make) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    architecture = {"space": {"name": hostile}, "choices": [hostile]}
    bad = model(7, 0.9, 0.7, note=hostile, architecture=architecture)
    made_by_hand = bad.model_copy(update={"name": hostile})
    changes = {"front": [bad], "dropped": [bad], "baselines": [made_by_hand]}
    plain, made = page(), page(data=hostile, notes=[hostile], **changes)
    assert len(made.scripts) == len(plain.scripts)
    assert "img" not in made.tags
    assert hostile in made.text
    assert "alert(1)" in made.figure
    assert "<" not in made.scripts[0]


def test_interrupted_run_is_shown_as_untrained(page: Make, untrained: dict[str, Any]) -> None:
    text = page(**untrained).text
    assert "Interrupted." in text
    assert "60.00 % supernet accuracy" in text and "Best so far: 0000000001" in text
    assert "Front so far, untrained, fastest first" in text
    none = "\N{EN DASH}"
    assert f"not measured 60.00 % {none} {none} 16 12 k 1.2 M untrained, not exported" in text
    assert "Dropped" not in text


def test_a_search_interrupted_before_anything_was_evaluated_says_what_will_be_there(page: Make) -> None:
    text = page(points=(), front=[], dropped=[], baselines=[], status="interrupted").text
    assert (
        "No network has been evaluated yet; the front and all evaluated networks will be shown here" in text
    )
    for left_out in ("fastest first", "accuracy and latency on", "What each layer", "Save as CSV"):
        assert left_out.lower() not in text.lower()
    assert "Device and conditions" in text


def test_what_was_chosen_is_marked_in_tables_and_chart(page: Make) -> None:
    for chosen in ("0000000002", "0000000004"):  # on the front, dropped
        made = page(chosen=chosen)
        assert f"{chosen} chosen" in made.text
        assert "A ring, and \N{LEFT DOUBLE QUOTATION MARK}chosen" in made.text
        assert '"name":"chosen: learnt for the limit itself"' in made.figure
    plain = page()
    assert "chosen" not in plain.text + plain.figure


def test_an_unfinished_learning_says_how_far_it_is(page: Make, curves: Make) -> None:
    found = curves(8.0, 16.0)
    ended = page(learning=found).text
    assert "Final state:" in ended and "not finished" not in ended
    half = page(learning=found.model_copy(update={"finished": False, "done": (0.1, 0.2, 0.3, 0.5)})).text
    assert "The training is not finished: it was interrupted at 50 %." in half
    assert "Final state:" not in half


def test_empty_front_says_so(page: Make) -> None:
    made = page(points=(), front=[], dropped=[])
    assert made.text.count("No model is on the front.") == 1
    assert "0 models" in made.text
    assert "slowest network of this space" not in made.text


def test_a_limit_that_binds_is_drawn_and_explained(page: Make) -> None:
    made = page(constraint={"max_latency_ms": 2.0, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": True})
    assert "networks of this space range from 0.300 ms [0.150 to 0.600] to 3.10 ms [1.55" in made.text
    assert '"label":"limit 2 ms"' in made.figure


def test_a_model_that_was_not_measured_says_so(page: Make, unmeasured: dict[str, Any]) -> None:
    made = page(**unmeasured)
    assert "0.600 ms [0.300 to 1.20] datasheet estimate not measured" in made.text
    assert "not measured" in made.figure
    assert '"name":"measured latency"' not in made.figure


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ("measured", "from measured blocks"),
        ("calibrated", "calibrated device model"),
        ("estimated", "datasheet estimate"),
    ],
)
def test_a_predicted_latency_is_never_called_measured(
    page: Make, model: Make, provenance: str, words: str
) -> None:
    made = page(points=(), front=[model(1, 0.9, 0.6, provenance=provenance)], dropped=[])
    assert f"0.600 ms [0.300 to 1.20] {words} 0.660 ms" in made.text
    assert f"predicted latency, ms ({words})" in made.figure
    assert f"predicted 0.600 ms [0.300 to 1.20] ({words})" in made.figure
    assert f"{words.capitalize()}: " in made.text


def test_measured_models_are_set_against_their_predictions(page: Make) -> None:
    made = page()
    chart = made.chart("predicted-vs-measured")
    assert "Predicted and measured" in made.text
    assert "Mean error of this run's models 9.1 % 4 measured" in made.text
    assert "edgenas validate adds random networks of the same space" in made.text.replace(" .", ".")
    assert '"name":"front"' in chart and '"name":"dropped"' in chart
    assert '"name":"random network"' not in chart
    assert '"numbers":[4]' in chart


def test_a_validation_comes_with_its_figures_and_networks(
    page: Make, validation: Make, unmeasured: dict[str, Any]
) -> None:
    found = validation((1.0, 1.0), (1.02, 1.0), (2.0, 2.5), (3.0, 3.0))
    made = page(validation=found, **unmeasured)
    assert "Random networks 4 not used in calibration" in made.text
    assert "Rank correlation (Spearman) 0.9487" in made.text
    assert "Mean error 5.5 % Predicted within 5 % 75 % Measured inside the interval 75 %" in made.text
    assert "on 2026-01-02, seed 7" in made.text
    assert "this run's models" not in made.text
    chart = made.chart("predicted-vs-measured")
    assert '"x":[1.0,1.0,2.5,3.0]' in chart and '"y":[1.0,1.02,2.0,3.0]' in chart
    assert "measured 2.50 ms: predicted -20.0%" in chart


def test_validations_of_several_precisions_are_told_apart(
    page: Make, validation: Make, unmeasured: dict[str, Any]
) -> None:
    found = tuple(
        validation((1.0, 1.0), (2.0, measured), table=f"onnxruntime-cpu-{precision}-t1-b1")
        for precision, measured in (("fp32", 2.5), ("int8", 1.6))
    )
    made = page(validation=found, **unmeasured)
    for precision, error in (("fp32", "10 %"), ("int8", "12")):
        assert f"Random networks 2 not used in calibration, onnxruntime-cpu-{precision}-t1-b1" in made.text
        assert f"The random networks of onnxruntime-cpu-{precision}-t1-b1 were predicted" in made.text
        assert f"Mean error {error}" in made.text
    assert '"x":[1.0,2.5,1.0,1.6]' in made.chart("predicted-vs-measured")


def test_without_anything_measured_there_is_no_comparison(page: Make, unmeasured: dict[str, Any]) -> None:
    made = page(**unmeasured)
    assert "Mean error" not in made.text
    assert "predicted-vs-measured" not in made.charts


def _scores(value: float) -> dict[str, Any]:
    return {
        "validation": {"top-1": value, "macro-f1": value - 0.05},
        "test": {"top-1": value - 0.01, "macro-f1": value - 0.06},
    }


def test_baselines_have_a_table_and_a_sentence_each(page: Make, baseline: Make) -> None:
    made = page(
        baselines=[
            baseline(60, "MobileNetV2 x0.5", 0.92, 1.5),
            baseline(61, "MobileNetV3-Small x0.7", None, 1.4),
        ]
    )
    none = "\N{EN DASH}"
    assert "Comparison with hand-designed networks" in made.text
    assert "Of the models predicted no slower than MobileNetV2 x0.5, number 2 (0000000002)" in made.text
    assert "MobileNetV3-Small x0.7 has no accuracy to compare: training failed: nan." in made.text
    assert "5 MobileNetV2 x0.5 1.50 ms [0.750 to 3.00]" in made.text
    assert "datasheet estimate 1.65 ms 92.00 % 90.00 % 16 12 k 1.2 M" in made.text
    assert "6 MobileNetV3-Small x0.7 training failed: nan 1.40 ms [0.700 to 2.80]" in made.text
    assert f"datasheet estimate not measured {none} {none} 16 12 k 1.2 M" in made.text
    assert "5: MobileNetV2 x0.5 2 x k3e3, k5e6, skip" in made.text


def test_baselines_are_a_series_of_the_chart(page: Make, baseline: Make) -> None:
    made = page(
        baselines=[baseline(60, "MobileNetV2 x0.5", 0.92, 1.5), baseline(61, "MobileNetV3-Small", None, 1.4)]
    )
    figure = made.figure
    assert '"name":"hand-designed (validation accuracy)"' in figure
    assert '"mark":"diamond"' in figure
    assert '"text":"MobileNetV2 x0.5"' in figure  # the name in the chart
    assert "MobileNetV2 x0.5\\nmeasured 1.65 ms" in figure
    assert "MobileNetV3-Small" not in figure
    assert '"name":"hand-designed"' in made.chart("predicted-vs-measured")


def test_without_baselines_nothing_is_set_beside_them(page: Make) -> None:
    made = page()
    assert "hand-designed" not in made.text + made.figure + made.chart("predicted-vs-measured")


def test_another_metric_is_named_wherever_accuracy_was(page: Make, baseline: Make) -> None:
    made = page(metric="macro-f1", baselines=[baseline(60, "MobileNetV2 x0.5", 0.92, 1.5)])
    assert "Macro F1 and latency on jetson-orin-nano" in made.text
    assert "97.00 % validation macro F1 test 96.00 %" in made.text
    assert "macro F1: supernet validation test" in made.text
    assert "points ahead in validation macro F1" in made.text
    assert '"title":"macro F1"' in made.figure and '"title":"accuracy"' not in made.figure
    assert "macro F1 97.00 % (validation)" in made.figure
    assert "accuracy" not in made.text.replace('objective = "accuracy,latency"', "") + made.figure


def test_peak_memory_is_listed_where_it_is_an_objective(page: Make, model: Make, baseline: Make) -> None:
    known = {"peak_memory_bytes": 1_234_000}
    models = {
        "front": [model(1, 0.91, 0.5, **known), model(2, 0.95, 0.9)],
        "baselines": [baseline(60, "MobileNetV2 x0.5", 0.92, 1.5, **known)],
    }
    wide = page(objectives=["accuracy", "latency", "params", "peak-memory"], **models)
    assert wide.text.count("1.23 MB") == 2
    assert wide.text.count("MACs peak memory") == 3
    assert "not known" in wide.text
    assert "x (latency 0 to limit) x (params 0 to the space's largest) x (peak-memory" in wide.text
    assert "peak memory" not in page(**models).text


def test_all_metrics_are_listed_where_they_are_known(page: Make, model: Make, baseline: Make) -> None:
    none = "\N{EN DASH}"
    made = page(
        front=[model(1, 0.91, 0.5, scores=_scores(0.91)), model(2, 0.95, 0.9)],
        baselines=[baseline(60, "MobileNetV2 x0.5", 0.92, 1.5, scores=_scores(0.92))],
    )
    head = "accuracy macro F1 macro precision macro recall"
    assert f"All metrics validation test # model {head} {head}" in made.text
    assert f"1 0000000001 91.00 % 86.00 % {none} {none} 90.00 % 85.00 % {none} {none}" in made.text
    assert f"4 MobileNetV2 x0.5 92.00 % 87.00 % {none} {none}" in made.text
    assert "All metrics" not in page().text


def test_a_result_from_before_baselines_still_has_a_page(page: Make, make_view: Make) -> None:
    old = make_view().result.model_dump(mode="json")
    for field in ("metric", "baselines"):
        del old[field]
    for model in (*old["front"], *old["dropped"]):
        del model["name"], model["scores"]
    text = page(**old).text
    assert "97.00 % validation accuracy" in text
    assert "hand-designed" not in text


def test_latencies_over_decades_are_drawn_on_logarithmic_axes(
    page: Make, validation: Make, unmeasured: dict[str, Any]
) -> None:
    made = page(validation=validation((1.0, 1.0), (100.0, 90.0)), **unmeasured)
    assert made.chart("predicted-vs-measured").count('"logarithmic":true') == 2
    assert '"type":"log"' not in made.figure


def test_each_layer_is_shown_with_what_it_earns_and_costs(page: Make) -> None:
    rows = (
        Contribution("stage 1 layer 1", "k5e6", 0.031, 0.008, 0.25),
        Contribution("stage 1 layer 2", "skip", -0.002, 0.008, -0.1),
    )
    text = page(contributions={"0000000002": rows, "0000000004": rows[1:]}).text
    assert "For each layer, the accuracy points" in text
    assert "layer: choice accuracy points gained ms paid" in text
    assert "stage 1 layer 1: k5e6 ★ +3.1 ± 0.8 +0.250" in text
    assert "stage 1 layer 2: skip \N{MINUS SIGN}0.2 ± 0.8 \N{MINUS SIGN}0.100" in text
    assert "fitted to 36 evaluations (supernet accuracy, not that of trained models)" in text
    assert "(datasheet estimate), whose intervals reach from 50 % below to 100 % above" in text


def test_bars_are_pale_where_their_sign_is_open(make_view: Make, tmp_path: Path) -> None:
    rows = (
        Contribution("layer 1", "a", 0.01, 0.005, 0.25),
        Contribution("layer 2", "b", -0.01, 0.005, 0.25),
        Contribution("layer 3", "c", 0.01, 0.02, 0.25),
    )
    write_html(make_view(contributions={"0000000001": rows}), tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert source.count('<rect class="earned open"') == 1
    assert source.count('<rect class="earned"') == 2
    assert source.count('<rect class="paid"') == 3
    assert source.count('<line class="whisker"') == 3


def test_layers_of_another_metric_speak_of_it(page: Make) -> None:
    rows = (Contribution("layer 1", "k5e6", 0.031, 0.008, 0.25),)
    text = page(metric="macro-f1", contributions={"0000000001": rows}).text
    assert "macro F1 points gained" in text
    assert "accuracy" not in text.replace('objective = "accuracy,latency"', "")


def test_how_the_architecture_was_learnt_is_told_for_each_target(page: Make, curves: Make) -> None:
    made = page(learning=curves(8.0, 16.0))
    assert "learnt for each of 2 latency targets" in made.text
    assert "(two-path gates, latency by constraint ), after a warm-up of 25 %" in made.text
    assert "8.00 ms 8.08 ms, +1.0 % 7.84 ms, \N{MINUS SIGN}2.0 % 1.000 0.20 +0.300 50 %" in made.text
    assert "16.0 ms 16.2 ms, +1.0 % 15.7 ms, \N{MINUS SIGN}2.0 % 1.000 0.20 +0.300 50 %" in made.text
    assert "collapsed: it won because it is easy to learn" in made.text
    assert "most likely architectures within the limit of 20 ms" in made.text
    for name in ("latency", "off-target", "loss", "entropy", "multiplier", "skips"):
        assert made.chart(f"learning-{name}").count('"target 16.0 ms') in (4, 8, 3, 6)


def test_where_nothing_was_learnt_there_is_no_section(page: Make, curves: Make) -> None:
    for learning in (None, curves(8.0, moments=0)):
        made = page(learning=learning)
        assert "How the architecture was learnt" not in made.text
        assert not any("learning-" in script for script in made.scripts)


def test_figures_that_no_target_has_are_left_out(page: Make, curves: Make) -> None:
    nothing = (0.0,) * 4
    made = page(learning=curves(8.0, multiplier=nothing, skips=nothing, loss=(None,) * 4))
    assert "learnt for one latency target" in made.text
    assert "8.00 ms 8.08 ms, +1.0 % 7.84 ms, \N{MINUS SIGN}2.0 % 0.20 Latency" in made.text
    assert "Price of a millisecond" not in made.text and "Skipped layers" not in made.text


def test_hostile_names_of_what_was_learnt_stay_texts(page: Make, curves: Make) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    made = page(learning=curves(8.0).model_copy(update={"gates": hostile, "latency_loss": hostile}))
    assert "img" not in made.tags
    assert made.text.count(hostile) == 2


def test_what_cannot_be_explained_is_said_and_not_drawn(page: Make) -> None:
    made = page(no_contributions_reason="There is too little to tell.")
    assert "What each layer gains and costs: There is too little to tell." in made.text
    assert "points gained" not in made.text
    assert "What each layer" not in page().text


def test_an_int8_model_without_figures_of_fp32_has_dashes(
    make_view: Make, model: Make, tmp_path: Path
) -> None:
    quantised = {"ranges": "min-max", "fine_tuned": False, "fp32": {}}
    write_html(
        make_view(front=[model(1, 0.9, 0.5, precision="int8", quantised=quantised)]), tmp_path / "page.html"
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    none = "\N{EN DASH}"
    assert f"before, in fp32: {none} validation, {none} test" in page
