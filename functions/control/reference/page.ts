/** The reference as one page that loads nothing: what each path and operation takes, answers, costs and refuses. */
import { createHash } from 'node:crypto'
import { CATEGORIES } from '../../../shared/agentese/category.ts'
import { isForced, scopesOf } from '../../../shared/agentese/effects.ts'
import type { AspectFacts, EndpointFacts, Example, FunctionFacts } from '../../../shared/contract/facts.ts'
import {
  dataSchemaOf,
  inputSchemaOf,
  outputSchemaOf,
  type JsonSchema,
} from '../../../shared/contract/schemas.ts'
import { startsJobs } from '../../../shared/contract/facts.ts'
import { PATH_EVENTS, STATE_EVENTS, type EventType } from '../../../shared/events/event-types.ts'
import { permissionsOf, ROLES } from '../../../shared/identity/permissions.ts'
import { VERSION } from '../../../shared/version.ts'
import { costOf } from './cost.ts'
import { curlOf } from './curl.ts'
import { failingStatuses, failuresByStatus, type FailureRow } from './failures.ts'
import { Markup, markup } from './markup.ts'
import { SCRIPT, STYLE } from './page-assets.ts'
import { groupsOf, routesOf, type Route } from './routes.ts'
import { rowsOf } from './schema-rows.ts'
import { streamedName, STREAMS, type Stream } from './streams.ts'
import { systemEventsOf } from './system-events.ts'

type Named = [type: string, event: EventType]
type Fact = [name: string, value: string]

export function renderPage(catalog: readonly FunctionFacts[]): string {
  const groups = groupsOf(routesOf(catalog).filter(({ endpoint }) => endpoint.format !== 'events'))
  const events: Named[] = Object.entries({ ...PATH_EVENTS, ...STATE_EVENTS, ...systemEventsOf(catalog) })
  const streams = STREAMS.map((stream) => ({
    title: stream.title,
    url: stream.url,
    events: eventsOf(stream),
  }))
  const failures = [...failuresByStatus()]
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kgents reference</title>
<link rel="icon" href="data:,">
<style>${new Markup(STYLE)}</style>
</head>
<body>
<nav>
<h1>kgents <small>${VERSION}</small></h1>
<input type="search" placeholder="Search  ( / )" aria-label="Search">
${groups.map(([name, routes]) => contents(name, namesOf(routes)))}
${streams.map(({ title, events }) => contents(title, events.map(nameOf)))}
${contents('events', events.map(nameOf))}
${contents(
  'failures',
  failures.map(([status]) => [`failures-${status}`, `${status}`]),
)}
</nav>
<main>
${INTRODUCTION}
${groups.map(([name, routes]) => section(name, routes.map(routeArticle)))}
${streams.map(({ title, url, events }) => section(`${title}: GET ${url}`, events.map(eventArticle)))}
${section('events', events.map(eventArticle))}
${section('failures', failures.map(failureArticle))}
</main>
<script>${new Markup(SCRIPT)}</script>
</body>
</html>
`.text
}

/** This page's own style and script, and nothing from anywhere. */
const POLICY = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(SCRIPT)}; img-src data:; base-uri 'none'; form-action 'none'`

const INTRODUCTION = markup`
<p>Agents act through <code>context.holon.aspect</code> paths, and the answer depends on who observes. Send
<code>X-API-Key</code>, or a token from <a href="#issue-token.issue">issue-token.issue</a> as <code>Authorization: Bearer</code>.
A path answers <code>{path, result, meta}</code>; a failure answers <code>application/problem+json</code> with one of
<a href="#failures-400">these codes</a>. <code>GET /v1/jobs/{id}/stream</code> streams a job
<a href="#jobStream.started">as it goes</a>. For programs: <a href="/openapi.json">OpenAPI</a>, <a href="/asyncapi.json">AsyncAPI</a>.</p>`

function contents(title: string, entries: readonly (readonly [name: string, title: string])[]): Markup {
  return markup`<div><h2>${title}</h2>${entries.map((entry) => link(...entry))}</div>\n`
}

function namesOf(routes: readonly Route[]) {
  return routes.map(({ endpoint }) => nameOf([endpoint.name]))
}

function nameOf([name]: readonly [name: string, ...rest: unknown[]]): [name: string, title: string] {
  return [name, name]
}

function section(title: string, articles: readonly Markup[]): Markup {
  return markup`<section><h2>${title}</h2>${articles}</section>\n`
}

function article(name: string, title: string, body: Markup): Markup {
  return markup`\n<article id="${name}"><h3>${link(name, title)}</h3>\n${body}</article>`
}

function link(name: string, title = name): Markup {
  return markup`<a href="#${name}">${title}</a>`
}

function routeArticle(route: Route): Markup {
  const { endpoint, url } = route
  const { name, method, summary, aspect, examples } = endpoint
  const shown: readonly Example[] = examples.length === 0 ? [{ summary: 'Call it', input: {} }] : examples
  return article(
    name,
    name,
    markup`<p class="route"><b>${method}</b> <code>${url}</code></p>
<p>${summary}</p>
<dl>${factsOf(endpoint).map(([fact, value]) => markup`<dt>${fact}</dt><dd>${value}</dd>`)}</dl>
${table('Input', inputSchemaOf(endpoint))}
${shown.map((example) => curl(titleOf(example), curlOf(route, example)))}
<details><summary>${aspect === undefined ? 'Answer' : 'Result'}</summary>${table('Member', outputSchemaOf(endpoint))}</details>
<p class="route">Fails with ${failingStatuses(route).map((status) => markup`${link(`failures-${status}`, `${status}`)} `)}</p>
`,
  )
}

/** With what has to come before it. */
function titleOf({ summary, given = [] }: Example): string {
  return given.length === 0 ? summary : `${summary}, after ${given.map(({ path }) => path).join(', ')}`
}

function curl(title: string, command: string): Markup {
  return markup`<h4>${title}</h4><div class="curl"><pre><code>${command}</code></pre><button type="button">copy</button></div>`
}

const WHO = {
  none: 'anybody',
  'api-key': 'holders of an API key',
  'optional-api-key': 'anybody; who sends an API key is known by it',
  invitation: 'holders of the token of an invitation',
  optional: 'anybody; who sends a credential is known by it',
  required: 'holders of a token or an API key',
} as const

function factsOf(endpoint: EndpointFacts): Fact[] {
  const { aspect, auth, permission, scopes, streams } = endpoint
  const waiting = startsJobs(endpoint)
    ? 'may answer 202 and a job; to stay: Accept: text/event-stream, or Prefer: wait=20'
    : 'with Accept: text/event-stream'
  return [
    ...(aspect === undefined ? [] : factsOfAspect(aspect, costOf(endpoint))),
    ...(aspect === undefined || auth === 'optional' ? [['Credential', WHO[auth]] as Fact] : []),
    ...(permission === undefined ? [] : [['Permission', `${permission} (${rolesWith(permission)})`] as Fact]),
    ...(aspect !== undefined || scopes.length === 0 ? [] : [['Scopes', scopes.join(', ')] as Fact]),
    ...(streams ? [['Waiting', waiting] as Fact] : []),
  ]
}

function factsOfAspect(
  { category, effects, archetypes }: AspectFacts,
  cost: Record<string, number> = {},
): Fact[] {
  const { name, writes } = CATEGORIES[category]
  return [
    ['Category', `${name} (${category}), ${writes ? 'may change state' : 'changes nothing'}`],
    ['Effects', effects.join(', ') || 'none'],
    [
      'Costs',
      Object.entries(cost)
        .map(([resource, amount]) => `${amount} ${resource}`)
        .join(', ') || 'nothing',
    ],
    ['Who', archetypes === 'all' ? 'every archetype' : archetypes.join(', ')],
    ['Scopes', scopesOf(effects).join(', ') || 'none'],
    ...(isForced(effects) ? [['Consent', 'of the owner of what it forces'] as Fact] : []),
  ]
}

function rolesWith(permission: string): string {
  return ROLES.filter((role) => permissionsOf([role]).some((held) => held === permission)).join(', ')
}

function eventsOf(stream: Stream): Named[] {
  return stream.events.map(([name, event]) => [streamedName(stream, name), event])
}

function eventArticle([type, event]: Named): Markup {
  return article(type, type, markup`<p>${event.summary}</p>${table('Data', dataSchemaOf(event))}`)
}

function failureArticle([status, rows]: [number, FailureRow[]]): Markup {
  const categories = [...new Set(rows.map(({ category }) => category))].join(', ')
  const again = rows.some(({ retry }) => retry) ? 'may go well later' : 'will not go well without a change'
  return article(
    `failures-${status}`,
    `${status} ${categories}`,
    markup`<p>${rows.map(({ code }) => markup`<code>${code}</code> `)}</p><p class="route">The same request ${again}</p>`,
  )
}

function table(title: string, schema: JsonSchema): Markup {
  const rows = rowsOf(schema).map(
    ({ name, type, required, notes }) =>
      markup`\n<tr><td><code>${name}</code></td><td>${type}</td><td>${[...(required ? [] : ['optional']), ...notes].join('; ')}</td></tr>`,
  )
  return rows.length === 0
    ? markup`<p class="route">${title}: nothing to name</p>`
    : markup`<table><tr><th>${title}</th><th></th><th></th></tr>${rows}</table>`
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
