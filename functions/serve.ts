/**
 * The process of one function, or of several: `FUNCTION=void-entropy node functions/serve.ts`. While a start-up snapshot is
 * built it serves none: a process that starts from the snapshot goes on from there.
 */
import { flushCompileCache } from 'node:module'
import { startupSnapshot } from 'node:v8'
import { serveFunctions } from '../shared/runtime/serve-functions.ts'
import { loaders } from './loaders.ts'

if (startupSnapshot.isBuildingSnapshot()) {
  startupSnapshot.setDeserializeMainFunction(() => void serveFunctions(loaders))
  void buildSnapshot()
} else {
  void serveFunctions(loaders)
  // The next pod starts from what this one has compiled. Later, because the first request is waiting now.
  setTimeout(flushCompileCache, 2000).unref()
}

/** What most functions share has run then; the function itself runs when a process serves it. */
async function buildSnapshot(): Promise<void> {
  const { rehearse } = await import('../shared/runtime/rehearse.ts')
  await rehearse('void-gratitude', loaders)
}
