// Node 22.15 and later can require an ES module, so both module systems share one copy.
module.exports = require('./dist/index.js');
