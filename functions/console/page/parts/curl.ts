/** The API call behind a list or an action, to read and to copy. */
import { html } from '../core/html.ts'
import { urlOf, type ApiRequest } from '../core/api.ts'
import { Copy } from './copy.ts'

/** The key stands in a variable of the shell: no credential of the page is shown. */
const KEY = '-H "X-API-Key: $KGENTS_API_KEY"'

export function Curl({ request, guest = false }: { request: ApiRequest; guest?: boolean }) {
  const url = urlOf(request)
  const command = curlOf(request, guest)
  return html`<details class="curl">
    <summary><span class="tag">curl</span> <code>${request.method} ${url}</code></summary>
    <div class="command">
      <pre tabindex="0" aria-label="curl command"><code>${command}</code></pre>
      <${Copy} text=${command} what="the curl command" />
    </div>
  </details>`
}

function curlOf(request: ApiRequest, guest = false): string {
  const { method, body, headers = {} } = request
  const hasBody = body !== undefined && Object.keys(body).length > 0
  return [
    `curl ${method === 'GET' ? '' : `-X ${method} `}'${location.origin}${urlOf(request)}'`,
    ...(guest ? [] : [KEY]),
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(hasBody
      ? [`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(body, null, 2))}`]
      : []),
  ].join(' \\\n  ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
