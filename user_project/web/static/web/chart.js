/* The chart of one bot: candles, lines that can be hidden, marks of what was traded. */
"use strict";

(() => {
  const place = document.getElementById("chart");
  if (!place || !window.LightweightCharts) return;
  const { CandlestickSeries, HistogramSeries, LineStyle, createChart, createSeriesMarkers } =
    window.LightweightCharts;
  const problem = document.getElementById("chart-problem");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const COLOURS = { support: "--warn", stage: "--quiet", average: "--ink", take_profit: "--good", stop: "--error" };
  const STYLES = { support: LineStyle.Dotted, average: LineStyle.Solid, take_profit: LineStyle.Solid, stop: LineStyle.Solid };

  const chart = createChart(place, { autoSize: true, layout: { attributionLogo: false }, localization: { locale: document.documentElement.lang } });
  const candles = chart.addSeries(CandlestickSeries);
  const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, priceScaleId: "", lastValueVisible: false, priceLineVisible: false });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
  const marks = createSeriesMarkers(candles, []);
  let unit = "60";
  let lines = [];
  let shown = null;

  const dress = () => {
    const up = colour("--up"), down = colour("--down");
    chart.applyOptions({
      layout: { background: { color: "transparent" }, textColor: colour("--ink"), attributionLogo: false },
      grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
      timeScale: { timeVisible: unit !== "1440", borderColor: colour("--line") },
      rightPriceScale: { borderColor: colour("--line") },
    });
    candles.applyOptions({ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down });
  };

  const wanted = (kind) => document.querySelector(`[data-line="${kind}"]`)?.checked ?? true;

  const drawLines = () => {
    lines.forEach((line) => candles.removePriceLine(line));
    lines = shown.lines.filter((line) => wanted(line.kind)).map((line) =>
      candles.createPriceLine({
        price: line.price,
        title: line.label,
        color: colour(COLOURS[line.kind]),
        lineWidth: line.kind === "stage" && !line.done ? 1 : 2,
        lineStyle: line.kind === "stage" ? (line.done ? LineStyle.Solid : LineStyle.Dashed) : STYLES[line.kind],
      }));
    marks.setMarkers(!wanted("marks") ? [] : shown.marks.map((mark) => ({
      time: nearest(mark.time),
      position: mark.side === "bid" ? "belowBar" : "aboveBar",
      shape: mark.side === "bid" ? "arrowUp" : "arrowDown",
      color: colour(mark.side === "bid" ? "--up" : "--down"),
      text: mark.label,
    })));
  };

  /* A mark belongs to the candle that was forming then. */
  const nearest = (time) => {
    const length = Number(unit) * 60;
    const start = shown.candles.filter((candle) => candle.time <= time).pop();
    return start && time - start.time < 2 * length ? start.time : time - (time % length);
  };

  const decimals = (price) => (price >= 1000 ? 0 : price >= 1 ? 2 : 6);

  const draw = () => {
    dress();
    problem.textContent = shown.problem;
    const last = shown.candles.at(-1);
    if (last) {
      const precision = decimals(last.close);
      const written = new Intl.NumberFormat("ko-KR", { minimumFractionDigits: precision, maximumFractionDigits: precision });
      candles.applyOptions({ priceFormat: { type: "custom", formatter: written.format, minMove: 10 ** -precision } });
    }
    candles.setData(shown.candles);
    volume.setData(shown.candles.map((candle) => ({
      time: candle.time,
      value: candle.volume,
      color: colour(candle.close >= candle.open ? "--up" : "--down") + "55",
    })));
    drawLines();
  };

  const load = async ({ fit = false } = {}) => {
    const asked = unit;
    let found;
    try {
      const answer = await fetch(`${place.dataset.source}?unit=${asked}`, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      found = await answer.json();
    } catch {
      place.classList.add("gone");
      return;
    }
    if (asked !== unit) return; // another length was chosen meanwhile
    shown = found;
    place.classList.remove("gone");
    draw();
    if (fit) {
      const bars = shown.candles.length;
      chart.timeScale().setVisibleLogicalRange({ from: bars - (place.clientWidth < 600 ? 60 : 150), to: bars + 4 });
    }
    place.dataset.drawn = String(shown.candles.length);
  };

  document.querySelectorAll("[data-unit]").forEach((button) => button.addEventListener("click", () => {
    unit = button.dataset.unit;
    document.querySelectorAll("[data-unit]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    load({ fit: true });
  }));
  document.querySelectorAll("[data-line]").forEach((box) => box.addEventListener("change", () => shown && drawLines()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && draw());
  let gathering = null; // changes that come together are drawn together
  document.addEventListener("dantaro:changed", () => {
    if (document.visibilityState === "hidden") return;
    gathering ??= setTimeout(() => {
      gathering = null;
      load();
    }, 300);
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && load());
  const every = document.body.dataset.renew; // as the owner chose
  if (every !== "off") setInterval(() => document.visibilityState === "visible" && load(), every === "auto" ? 5000 : every * 1000);
  load({ fit: true });
})();
