/** Calls any path: its form from its schema, what it would cost, the answer as it comes, and the state of its job. */
import { useEffect, useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { ApiRequest, Json } from '../core/api.ts'
import { requestOf, type Schema } from '../core/openapi.ts'
import { go, route } from '../core/router.ts'
import { useStore } from '../core/use-store.ts'
import { Curl } from '../parts/curl.ts'
import { SchemaForm } from '../parts/form.ts'
import type { Page } from '../parts/section.ts'
import { Empty, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'
import { Outcome, useCall } from './playground-call.ts'

const DISCOVER = 'GET /v1/agentese/discover'

interface PathFacts {
  path: string
  summary: string
  category: string
  effects: string[]
  asynchronous: boolean
  input?: Schema
  examples: { summary: string; holon?: string; input: Json }[]
}

function Playground() {
  const { query } = useStore(route)
  const { answer, problem, reload } = useOperation<{ paths: PathFacts[] }>(DISCOVER)
  const paths = answer?.paths ?? []
  const chosen = paths.find(({ path }) => path === query.get('path'))
  return html`<section class="facts">
      ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
      ${answer === undefined && problem === undefined && html`<${Loading} what="paths" />`}
      ${answer !== undefined && html`<${Choice} paths=${paths} chosen=${chosen?.path ?? ''} />`}
      ${answer !== undefined && paths.length === 0 && html`<${Empty} what="paths" />`}
      <${Curl} request=${requestOf(DISCOVER)} />
    </section>
    ${chosen !== undefined && html`<${PathCall} key=${chosen.path} facts=${chosen} />`}`
}

function Choice({ paths, chosen }: { paths: PathFacts[]; chosen: string }) {
  const nodes = [...Map.groupBy(paths, ({ path }) => path.split('.').slice(0, 2).join('.'))]
  const choose = (event: { currentTarget: HTMLSelectElement }) =>
    go('playground', { path: event.currentTarget.value })
  return html`<p class="field">
    <label for="path">Path</label>
    <select id="path" onChange=${choose}>
      <option value="" disabled selected=${chosen === ''}>Choose a path</option>
      ${nodes.map(
        ([node, members]) =>
          html`<optgroup label=${node}>
            ${members.map(
              ({ path }) => html`<option value=${path} selected=${path === chosen}>${path}</option>`,
            )}
          </optgroup>`,
      )}
    </select>
  </p>`
}

function PathCall({ facts }: { facts: PathFacts }) {
  const { path, asynchronous, input: schema = {}, examples } = facts
  const [holon, setHolon] = useState(examples[0]?.holon ?? '')
  const [input, setInput] = useState<Json>({})
  const { outcome, busy, callPath, stop } = useCall()
  useEffect(() => stop, [])
  const request = requestFor(path, holon, input)
  const submit = (event: Event) => {
    event.preventDefault()
    void callPath(request, asynchronous)
  }
  return html`<section class="facts">
    <h2><code>${path}</code></h2>
    <p>${describe(facts)}</p>
    <form onSubmit=${submit}>
      ${path.includes('*') && html`<p class="field"><label for="holon">Holon</label><input id="holon" required pattern="[a-z][a-z0-9_]*" value=${holon} onInput=${(event: { currentTarget: HTMLInputElement }) => setHolon(event.currentTarget.value)} /><small>What stands for * in the path</small></p>`}
      <${SchemaForm} schema=${schema} value=${input} onChange=${setInput} example=${examples[0]?.input} />
      <p class="row">
        <button type="submit" class="primary" disabled=${busy}>${busy ? 'Running …' : 'Call'}</button>
        <button
          type="button"
          disabled=${busy}
          onClick=${() => void callPath({ ...request, query: { dry_run: true } }, false)}
        >
          Dry run
        </button>
        ${busy && html`<button type="button" onClick=${stop}>Stop listening</button>`}
      </p>
      <${Curl} request=${asynchronous ? { ...request, headers: { accept: 'text/event-stream' } } : request} />
    </form>
    <${Outcome} outcome=${outcome} />
  </section>`
}

const CATEGORIES: Record<string, string> = {
  P: 'perception',
  M: 'mutation',
  C: 'composition',
  I: 'introspection',
  G: 'generation',
  E: 'entropy',
}

function describe({ summary, category, effects, asynchronous }: PathFacts): string {
  return [
    `${summary}.`,
    `Category: ${CATEGORIES[category] ?? category}.`,
    `Effects: ${effects.length === 0 ? 'none' : effects.join(', ')}.`,
    ...(asynchronous ? ['A model answers, so the work goes on as a job.'] : []),
  ].join(' ')
}

function requestFor(path: string, holon: string, input: Json): ApiRequest {
  const [context, node, aspect] = path.replace('*', encodeURIComponent(holon === '' ? '*' : holon)).split('.')
  return { method: 'POST', path: `/v1/agentese/${context}/${node}/${aspect}`, body: input }
}

export const PLAYGROUND: Page = {
  id: 'playground',
  title: 'Playground',
  group: 'Use',
  about: 'Call any path, with the API call that does the same.',
  sections: [{ view: Playground }],
}
