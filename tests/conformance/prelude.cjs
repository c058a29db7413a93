/**
 * Puts this module in the place of the built-in `dgram` in a test of Node's, before anything else happens: a module loaded by `--import`
 * comes so late in a worker of a cluster that what its primary sends first is lost.
 */
const { emitWarning } = process;

// Some tests count warnings. Node's FFI makes one, once.
process.emitWarning = (warning, ...rest) => {
  if (!/^FFI is an experimental/.test(warning)) emitWarning.call(process, warning, ...rest);
};

require("../../register.ts");
