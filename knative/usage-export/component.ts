/** The contract of the part that exports usage to metering services of others, where there are some. */
import { z } from 'zod'
import { DESCRIPTIONS, List, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'

export const usageExport = defineComponent({
  name: 'usage-export',
  summary: 'Exports usage to OpenMeter and Lago, where they are configured',
  program: 'knative/usage-export/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    EXPORTER_DATABASE_URLS: List.pipe(z.array(z.url()).min(1)).describe(
      'Databases whose usage is exported, as `kgents_usage_exporter`, separated by commas',
    ),
    OPENMETER_URL: z
      .url()
      .optional()
      .describe('OpenMeter, such as https://openmeter.cloud; unset exports nothing to it'),
    OPENMETER_API_KEY: z.string().optional().describe('Its API key'),
    LAGO_URL: z
      .url()
      .optional()
      .describe('Lago, such as https://api.getlago.com; unset exports nothing to it'),
    LAGO_API_KEY: z.string().optional().describe('Its API key'),
    CLICKHOUSE_URL: z.url().optional().describe(DESCRIPTIONS.CLICKHOUSE_URL),
  }),
  secrets: ['EXPORTER_DATABASE_URLS', 'OPENMETER_API_KEY', 'LAGO_API_KEY', 'CLICKHOUSE_URL'],
  reaches: ['postgres', 'outside'],
  scale: {
    replicas: 1,
    cpu: { request: '50m', limit: '500m' },
    memory: { request: '96Mi', limit: '256Mi' },
    graceSeconds: 15,
  },
})

export type UsageExportConfig = Readonly<z.infer<typeof usageExport.env>>
