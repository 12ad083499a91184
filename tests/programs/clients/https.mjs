// https.mjs URL REQUESTS [keep|close]: the module https of Node, with its default agent
// or with one that keeps nothing; each request knows its socket.
import https from 'node:https';
import { text } from 'node:stream/consumers';

const [url, requests, how] = process.argv.slice(2);
const agent = how === 'close' ? new https.Agent({ keepAlive: false }) : undefined;
const counted = { requests: 0, connections: 0 };
const sockets = new Set();

function get() {
  return new Promise((resolve, reject) => {
    const request = https.get(`${url}/ticker/latest`, { agent }, (answer) => {
      text(answer).then(resolve, reject);
    });
    request.on('socket', (socket) => sockets.add(socket));
    request.on('error', reject);
  });
}

for (let n = 0; n < Number(requests); n += 1) {
  await get();
  counted.requests += 1;
}
counted.connections = sockets.size;
console.log(JSON.stringify(counted));
process.exit(0); // without waiting for the idle sockets
