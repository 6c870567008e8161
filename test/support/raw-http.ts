import { request } from 'node:http';
import { type Answer, answerOf } from './reducer-stage.js';

/** A request whose path is sent byte by byte as it is given: `fetch` would tidy `..` and `%2e%2e` up. */
export function rawCall(
  url: string,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(answerOf(response.statusCode ?? 0, text)));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
