module.exports = require("../../unix_dgram.ts");
