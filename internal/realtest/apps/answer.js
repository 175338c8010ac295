'use strict';
const fs = require('node:fs');
const settings = JSON.parse(process.argv[2]);
const requests = fs.openSync('requests.log', 'a');

function answer(request, response) {
  request.resume();
  request.on('end', () => {
    const id = request.headers['x-request-id'] || '';
    fs.writeSync(requests, `id ${id}\n`);
    response.writeHead(204, { 'X-Request-Id': id });
    response.end();
  });
}

const server = settings.secure
  ? require('node:https').createServer({ cert: fs.readFileSync('chain.pem'), key: fs.readFileSync('key.pem') }, answer)
  : require('node:http').createServer(answer);
if (settings.keepAliveTimeout) {
  server.keepAliveTimeout = settings.keepAliveTimeout;
}
server.maxRequestsPerSocket = settings.maxRequests;
server.listen(settings.port, settings.host, 1024);
