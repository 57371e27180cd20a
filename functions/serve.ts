/** The process of one function, or of several: `FUNCTION=void-entropy node functions/serve.ts`. */
import { flushCompileCache } from 'node:module'
import { readConfig } from '../shared/config.ts'
import { createApp } from '../shared/http/app.ts'
import { startServing } from '../shared/http/serve.ts'
import { FunctionConfig } from '../shared/runtime/config.ts'
import { openRuntime } from '../shared/runtime/create-runtime.ts'
import { startTracing } from '../shared/telemetry/spans.ts'
import { loaders } from './loaders.ts'

const config = readConfig(FunctionConfig, process.env)
const { OTEL_EXPORTER_OTLP_ENDPOINT: collector } = config
const stopTracing = collector === undefined ? undefined : await startTracing(config.FUNCTION, collector)
const { runtime, close } = await openRuntime(config, loaders)
const { drain } = await startServing(createApp(runtime), config.PORT, config.HOST)

process.once('SIGTERM', async () => {
  await drain()
  await close()
  await stopTracing?.()
  process.exit(0)
})

// The next pod starts from what this one has compiled. Later, because the first request is waiting now.
setTimeout(flushCompileCache, 2000).unref()
