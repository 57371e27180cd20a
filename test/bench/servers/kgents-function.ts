/** The candidate: a function as any other, served as any other, that answers its input and needs no database. */
import { z } from 'zod'
import { aspect, defineNode } from '../../../shared/contract/define-node.ts'
import { readConfig } from '../../../shared/config.ts'
import { createApp } from '../../../shared/http/app.ts'
import { startServing } from '../../../shared/http/serve.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { loadersOf } from '../../../shared/contract/catalog.ts'
import { openRuntime } from '../../../shared/runtime/create-runtime.ts'

const Text = z.strictObject({ text: z.string().max(1000) })

const node = defineNode('concept.echo', {
  summary: 'Says what it was told',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The input, unchanged',
      effects: [],
      input: Text,
      output: Text,
      examples: [],
      handle: (input) => input,
    }),
  },
})

/** Without a transaction: what PostgreSQL takes is no property of the function server. */
const echo = { ...node, endpoints: node.endpoints.map((each) => ({ ...each, transaction: false })) }

const config = readConfig(FunctionConfig, process.env)
const { runtime } = await openRuntime(config, loadersOf([echo]))
await startServing(createApp(runtime), config.PORT, config.HOST)
