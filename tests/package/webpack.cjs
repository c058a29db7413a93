// Bundles the file that is named. koffi is native and stays outside.
const webpack = require("webpack");

const [, , entry] = process.argv;
const settings = {
  mode: "production",
  target: "node",
  entry,
  externals: { koffi: "commonjs koffi" },
  output: { path: `${__dirname}/webpack`, filename: "out.cjs" },
};
webpack(settings, (error, stats) => {
  const found = error?.message ?? stats.toString({ all: false, errors: true, warnings: true });
  if (!found) return;
  console.error(found);
  process.exitCode = 1;
});
