// `helm test`: asks every part the way clients do. Node's own modules only.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const plan = JSON.parse(process.env.TEST_PLAN ?? '{}');

/** @returns status, headers, body; 101 for an upgrade. */
function ask(address, headers = {}) {
  const url = new URL(address);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  // The gateway is asked by its name in the cluster; its certificate is for the public one.
  const options = {
    headers: { host: plan.publicHost, ...headers },
    timeout: 5000,
    rejectUnauthorized: false,
  };
  return new Promise((resolve, reject) => {
    const request = send(url, {
      ...options,
      ...(url.protocol === 'https:' ? { servername: plan.serverName } : {}),
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: response.headers, body: '' });
    });
    request.on('response', (response) => {
      const chunks = [];
      response.on('error', reject);
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('error', reject);
    request.end();
  });
}

function expect(is, what) {
  if (!is) throw new Error(what);
}

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': Buffer.from('consilium-test-k').toString('base64'),
};

const checks = {
  'every reducer is ready': async () => {
    for (const url of plan.reducers) {
      const { status } = await ask(`${url}/ready`);
      expect(status === 200, `${url}/ready answers ${status}`);
    }
  },
  'exactly one reducer holds the lease': async () => {
    let leaders = 0;
    for (const url of plan.reducers) {
      const { body } = await ask(`${url}/metrics`);
      leaders += Number(/^consilium_reducer_leader (\d)/m.exec(body)?.[1] ?? 0);
    }
    expect(leaders === 1, `${leaders} of ${plan.reducers.length} say that they hold it`);
  },
  'a combiner is known to the reducers': async () => {
    const { body } = await ask(`${plan.reducers[0]}/metrics`);
    const combiners = Number(/^consilium_combiners (\d+)/m.exec(body)?.[1] ?? 0);
    expect(combiners > 0, 'the reducer sees none');
  },
};
if (plan.gateway !== undefined) {
  checks['the one address leads to the reducer'] = async () => {
    const { status, body } = await ask(`${plan.gateway}/health`);
    expect(status === 200 && JSON.parse(body).ok === true, `/health answers ${status} ${body.slice(0, 200)}`);
  };
  if (plan.nats) {
    checks['the one address leads to NATS over WebSocket'] = async () => {
      const { status } = await ask(`${plan.gateway}/nats`, upgrade);
      expect(status === 101, `/nats answers ${status} instead of an upgrade`);
    };
  }
  if (plan.store) {
    checks['the one address leads to the store, which refuses what is not signed'] = async () => {
      const { status } = await ask(`${plan.gateway}/consilium-models/heads/none.json`);
      expect(status === 403, `an unsigned request is answered with ${status}`);
    };
  }
}

let failed = 0;
for (const [what, check] of Object.entries(checks)) {
  let problem;
  // Right after an install or a rollout something may still be on its way.
  for (let attempt = 1; attempt <= 20; attempt += 1) {
    problem = await check().then(
      () => undefined,
      (error) => error,
    );
    if (problem === undefined) break;
    await sleep(3000);
  }
  console.log(
    `${problem === undefined ? 'ok    ' : 'FAILED'}  ${what}${problem === undefined ? '' : `: ${problem.message}`}`,
  );
  if (problem !== undefined) failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;
