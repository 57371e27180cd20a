/** The reference: what kgents-function.ts does, for Knative's own Node runtime. It verifies no caller and checks no input. */
const handle = (_context, event) => event.data.input

module.exports = { handle }
