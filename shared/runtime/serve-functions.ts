/** The process of a function: from its environment to the port that it listens on, and to its end at SIGTERM. */
import { readEnvironment } from '../config.ts'
import type { Loaders } from '../contract/catalog.ts'
import { createApp } from '../http/app.ts'
import { startTracing } from '../telemetry/spans.ts'
import { FunctionConfig } from './config.ts'
import { openRuntime } from './create-runtime.ts'

/**
 * Serves the functions that FUNCTION names; resolves when it listens.
 *
 * @throws TypeError that says what is missing in the environment
 */
export async function serveFunctions(loaders: Loaders): Promise<void> {
  const config = readEnvironment({ env: FunctionConfig })
  const { OTEL_EXPORTER_OTLP_ENDPOINT: collector } = config
  const stopTracing = collector === undefined ? undefined : await startTracing(config.FUNCTION, collector)
  const { runtime, close } = await openRuntime(config, loaders)
  // Connecting goes on while the rest starts.
  if (config.DATABASE_URL !== undefined) runtime.database.connect()
  // Imported here, because a start-up snapshot cannot hold Node's HTTP server.
  const { startServing } = await import('../http/serve.ts')
  const { drain } = await startServing(createApp(runtime), config.PORT, config.HOST)

  process.once('SIGTERM', async () => {
    await drain()
    await close()
    await stopTracing?.()
    process.exit(0)
  })
}
