"use strict";
// Two kinds of chart on dygraphs: stacked bars of whole hours, and lines. Names of series are never given to the library
// (it writes HTML): they are numbered there, and spelled in a legend made of text nodes.

const plots = (() => {
  // It sets styles as attributes, which the policy of this page forbids; the legend here is ours.
  Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);
  const drawn = new Map();
  const TICKS = 5;
  const HEADROOM = 1.04; // a tick at the very edge is not drawn
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = () => [0, 1, 2, 3, 4, 5, 6, 7].map((n) => colour(`--s${n}`));

  // The stacked heights come ready; later series lie below, so each is painted over the one before it.
  function stackedBars(event) {
    if (event.seriesIndex !== 0) return;
    const { drawingContext: paint, plotArea: area, allSeriesPoints: sets, dygraph: graph } = event;
    const hour = graph.toDomXCoord(3600e3) - graph.toDomXCoord(0);
    const width = Math.max(2, Math.abs(hour) * 0.72);
    const colours = palette();
    const floor = area.y + area.h;
    sets.forEach((points, place) => {
      paint.fillStyle = colours[place % colours.length];
      for (const point of points) {
        if (point.yval > 0) paint.fillRect(point.canvasx - width / 2, point.canvasy, width, floor - point.canvasy);
      }
    });
  }

  // Ticks from zero to the first one above everything drawn, so that nothing ends at the edge; steps of 1, 2 or 5.
  function ticks(most, least) {
    const rough = most / TICKS, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(least, power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.999));
    return Array.from({ length: Math.floor(most / step * 1.0001) + 2 }, (_, n) => n * step);
  }

  const highest = (rows, stacked) => rows.reduce((most, [, ...values]) =>
    Math.max(most, stacked ? values.reduce((sum, value) => sum + (value ?? 0), 0) : Math.max(...values.map((value) => value ?? 0))), 0);

  function options(count, format, stacked, spanMs, marks) {
    const seconds = spanMs < 600e3 ? { second: "2-digit" } : {};
    const axis = { drawGrid: false, axisLineColor: colour("--line"), axisLabelFontSize: 12 };
    return {
      labels: ["at", ...Array.from({ length: count }, (_, n) => `s${n}`)],
      colors: palette().slice(0, count),
      legend: "never", showLabelsOnHighlight: false, interactionModel: {}, valueRange: [0, marks[marks.length - 1] * HEADROOM],
      gridLineColor: colour("--line"), gridLineWidth: 1, axisLineColor: colour("--line"),
      stackedGraph: stacked, ...(stacked ? { plotter: stackedBars } : {}), highlightCircleSize: stacked ? 0 : 3,
      strokeWidth: 2, connectSeparatedPoints: true, xRangePad: stacked ? 12 : 4,
      axes: {
        x: { ...axis, axisLabelWidth: 60, pixelsPerLabel: 80,
          axisLabelFormatter: (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, ...seconds }) },
        y: { ...axis, drawGrid: true, axisLabelWidth: 52, ticker: () => marks.map((v) => ({ v, label: format(v) })) },
      },
    };
  }

  // `rows`: [Date, number or null, ...]; `names` in the order of the columns; `least`: the smallest step of the axis.
  function draw(id, rows, names, format, { stacked = false, least = 0, empty }) {
    const place = document.getElementById(id);
    const nothing = !names.length || !rows.length || !rows.some((row) => row.slice(1).some((value) => value > 0));
    place.classList.toggle("empty", nothing);
    if (drawn.has(id)) drawn.get(id).destroy();
    drawn.delete(id);
    place.replaceChildren();
    legend(id, nothing ? [] : names);
    if (nothing) { place.textContent = empty; return; }
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `Chart; the table below has its numbers. Series: ${names.join(", ")}`);
    const spanMs = rows[rows.length - 1][0] - rows[0][0];
    const marks = ticks(highest(rows, stacked), least);
    drawn.set(id, new Dygraph(place, rows, options(names.length, format, stacked, spanMs, marks)));
  }

  function legend(id, names) {
    const list = document.getElementById(id.replace("chart", "legend"));
    list.replaceChildren(...names.map((name, place) => {
      const item = document.createElement("li");
      const mark = document.createElement("i");
      mark.className = `c${place % 8}`;
      item.append(mark, name);
      return item;
    }));
  }

  return { draw, ticks };
})();
