/** The services that are configured. */
import type { UsageExportConfig } from './component.ts'
import type { Destination } from './send.ts'
import { LAGO, OPENMETER } from './service.ts'

export function destinationsOf(config: UsageExportConfig): Destination[] {
  const known = [
    { service: OPENMETER, url: config.OPENMETER_URL, key: config.OPENMETER_API_KEY },
    { service: LAGO, url: config.LAGO_URL, key: config.LAGO_API_KEY },
  ]
  return known.flatMap(({ service, url, key }) => (url === undefined ? [] : [{ service, url, key }]))
}
