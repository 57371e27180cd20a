/** The reference for what Node itself takes to start. */
const { createServer } = require('node:http')

createServer((request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end('{"status":"ok"}')
}).listen(Number(process.env.PORT))
