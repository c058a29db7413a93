/**
 * Pictures of what a process held in the course of a long run. Plain JavaScript for Node 20.
 */
import { writeFileSync } from "node:fs";
import * as echarts from "echarts";

/** What is shown, each in a chart of its own, and in what unit. */
const CHARTS = [
  { title: "resident memory, MiB", valueOf: ({ rss }) => rss / 2 ** 20 },
  { title: "heap and ArrayBuffers, MiB", valueOf: ({ heap, external }) => (heap + external) / 2 ** 20 },
  { title: "descriptors", valueOf: ({ descriptors }) => descriptors },
  { title: "entries of all Maps and Sets", valueOf: ({ entries }) => entries },
];

const COLORS = { deno: "#1a7f64", bun: "#d5b26e", node: "#5b8def", koffi: "#9aa0a6" };

/** Draws the samples of each runtime. */
export function drawRun(file, title, samples) {
  const [width, height] = [410, 230];
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 2 * width, height: 60 + 2 * height });
  const placeOf = (i) => ({ left: 60 + (i % 2) * width, top: 90 + Math.floor(i / 2) * height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: Object.keys(samples).map((runtime) => COLORS[runtime]),
    title: [
      { text: title, left: "center", textStyle: { fontSize: 15 } },
      ...CHARTS.map((one, i) => ({
        text: one.title,
        left: placeOf(i).left,
        top: placeOf(i).top - 30,
        textStyle: { fontSize: 12, fontWeight: "normal" },
      })),
    ],
    legend: { top: 28, itemGap: 36, data: Object.keys(samples) },
    grid: CHARTS.map((_, i) => ({ ...placeOf(i), width: width - 90, height: height - 70 })),
    xAxis: CHARTS.map((_, gridIndex) => ({
      type: "value",
      gridIndex,
      axisLabel: { formatter: short },
      splitNumber: 4,
    })),
    yAxis: CHARTS.map((_, gridIndex) => ({ type: "value", gridIndex, min: 0 })),
    series: CHARTS.flatMap(({ valueOf }, i) =>
      Object.entries(samples).map(([name, list]) => ({
        type: "line",
        name,
        xAxisIndex: i,
        yAxisIndex: i,
        showSymbol: false,
        data: list.map((sample) => [sample.done, Number(valueOf(sample).toPrecision(4))]),
      }))
    ),
  });
  writeFileSync(file, `${chart.renderToSVGString()}\n`);
  chart.dispose();
}

function short(value) {
  return value >= 1e6 ? `${value / 1e6} M` : value >= 1e3 ? `${value / 1e3} k` : String(value);
}

/**
 * Whether what a process holds has stopped growing: the last third of a run against the third before it.
 *
 * @returns What has grown, in words; undefined: nothing.
 */
export function growthOf(samples) {
  const third = Math.floor(samples.length / 3);
  if (third < 5) return undefined;
  // The last look is after all sockets were closed.
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third, -1)];
  const most = (list, key) => Math.max(...list.map((sample) => sample[key]));
  const least = (list, key) => Math.min(...list.map((sample) => sample[key]));
  for (const [key, slack] of [["rss", 64 << 20], ["heap", 4 << 20], ["external", 8 << 20]]) {
    const grown = least(last, key) - least(middle, key);
    if (grown > slack) return `${key} has grown by ${(grown / 2 ** 20).toFixed(1)} MiB`;
  }
  for (const key of ["descriptors", "threads"]) {
    const grown = most(last, key) - most(middle, key);
    if (grown > 2) return `${grown} more ${key}`;
  }
  return undefined;
}
