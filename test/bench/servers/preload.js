/** Preloaded into every server that is measured under load: does what the parent asks, and tells the CPU time used so far. */
import { flushCompileCache } from 'node:module'

// Not left behind when the benchmark is killed.
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  if (message === 'flush') flushCompileCache()
  process.send({ cpu: process.cpuUsage() })
})
