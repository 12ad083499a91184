// fetch.mjs URL REQUESTS [PAUSE_MS]: the fetch of Node; undici counts by its
// diagnostics channels.
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as pause } from 'node:timers/promises';

const [url, requests, pauseMs] = process.argv.slice(2);
const counted = { requests: 0, connections: 0 };
subscribe('undici:request:trailers', () => (counted.requests += 1));
subscribe('undici:client:connected', () => (counted.connections += 1));

for (let n = 0; n < Number(requests); n += 1) {
  if (n > 0 && pauseMs) await pause(Number(pauseMs));
  const answer = await fetch(`${url}/ticker/latest`);
  await answer.text();
}
console.log(JSON.stringify(counted));
