/**
 * The charts that README shows, as SVG.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as echarts from "echarts";
import { runtimes } from "./processes.mjs";

/** Those that have a bar in every chart; koffi's figures are in results.json. */
const SHOWN = ["deno", "bun", "node"];

const OURS = "#1a7f64";
const OURS_BATCH = "#7cc6b0";
const BUILTIN = "#9aa0a6";
const NATIVE = "#d5b26e";
const LIMIT = "#5f6368";

/** What a runtime has beside `node:dgram`. */
const native = { deno: "Deno.listenDatagram", bun: "Bun.udpSocket" };

const charts = {
  send: {
    title: "Bulk send(), 64 bytes, with callbacks: million datagrams a second",
    workload: "send64",
    figure: "rate",
    unit: 1e6,
    series: [
      { name: "dgram-ffi", color: OURS },
      { name: "dgram-ffi, sendMany", color: OURS_BATCH },
      { name: "node:dgram", color: BUILTIN },
      { name: "the runtime's own API", color: NATIVE, contender: (runtime) => native[runtime] },
      { name: "C, UDP_SEGMENT", color: LIMIT, isLimit: true },
    ],
  },
  receive: {
    title: "Bulk receive, 64 bytes: million datagrams a second",
    workload: "receive64",
    figure: "rate",
    unit: 1e6,
    series: [
      { name: "dgram-ffi", color: OURS },
      { name: "dgram-ffi, 'messages'", color: OURS_BATCH },
      { name: "node:dgram", color: BUILTIN },
      { name: "the runtime's own API", color: NATIVE, contender: (runtime) => native[runtime] },
      { name: "C, UDP_GRO", color: LIMIT, isLimit: true },
    ],
  },
  round_trip: {
    title: "Round trip, 64 bytes, median: microseconds (less is better)",
    workload: "roundTrip",
    figure: "p50",
    unit: 1,
    series: [
      { name: "dgram-ffi", color: OURS },
      { name: "node:dgram", color: BUILTIN },
      { name: "C", color: LIMIT, isLimit: true },
    ],
  },
};

/** Draws those charts whose workload was measured. */
export function drawCharts({ workloads, date, versions }, folder) {
  const source = `npm run bench, ${date.slice(0, 10)}, ${Object.values(versions).join(", ")}`;
  for (const [name, chart] of Object.entries(charts)) {
    const measured = workloads[chart.workload];
    if (measured) writeFileSync(join(folder, `${name}.svg`), draw(chart, measured, source));
  }
}

function draw({ title, figure, unit, series }, measured, source) {
  const valueOf = ({ name, isLimit, contender = () => name }) => (runtime) => {
    const key = isLimit ? name : `${runtime}/${contender(runtime)}`;
    const value = measured[key]?.[figure]?.median;
    return value === undefined ? null : Number((value / unit).toPrecision(3));
  };
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 820, height: 380 });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, subtext: source, left: "center", textStyle: { fontSize: 15 } },
    // Without a browser the width of text is only guessed.
    legend: { bottom: 0, itemWidth: 14, itemGap: 36, textStyle: { fontSize: 11 } },
    grid: { left: 50, right: 20, top: 70, bottom: 60 },
    xAxis: { type: "category", data: SHOWN.map((runtime) => runtimes[runtime].title), axisTick: { show: false } },
    yAxis: { type: "value" },
    series: series.map((one) => ({
      type: "bar",
      name: one.name,
      itemStyle: { color: one.color },
      label: { show: true, position: "top", fontSize: 10 },
      data: SHOWN.map(valueOf(one)),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}
