/** The reference: Hono on Node with nothing around it, as its own documentation shows it. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono()
app.get('/', (context) => context.json({ status: 'ok' }))
app.post('/*', async (context) => context.json(await context.req.json()))
serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' })
