const { defineConfig } = require('agent-lightning');

module.exports = defineConfig({ rollout: ({ value }) => value, train: [{ value: 1 }, { value: 0 }], progress: 'none' });
