import commonjs from "@rollup/plugin-commonjs";
import resolve from "@rollup/plugin-node-resolve";

export default {
  input: "exchange.mjs",
  plugins: [resolve(), commonjs()],
  external: [/^node:/],
  output: { file: "rollup/out.mjs", format: "es" },
};
