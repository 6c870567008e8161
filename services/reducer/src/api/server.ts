import { asConsiliumError, ConsiliumError, productVersion } from '@consilium/protocol';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type FastifyError, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { type GuardedRoute, guardRoutes } from './auth.js';
import type { ApiContext } from './context.js';
import { enrolmentRoutes } from './enrolment.js';
import { fleetRoutes } from './fleet.js';
import { modelRoutes } from './models.js';
import { packageRoutes } from './packages.js';
import { peopleRoutes } from './people.js';
import { sessionRoutes } from './sessions.js';
import { probeRoutes, systemRoutes } from './system.js';
import { trailRoutes } from './trail.js';

function create() {
  return fastify({
    bodyLimit: 4 * 1024 * 1024,
    forceCloseConnections: true,
    // What fails before a route is found: bad percent-encoding, parameters that are too long.
    frameworkErrors: (error, request, reply) => {
      const known = badRequest(error, request.url);
      void (reply as FastifyReply).code(known.http).send(known.toBody());
    },
    routerOptions: { maxParamLength: 200 },
  }).withTypeProvider<ZodTypeProvider>();
}

/** The HTTP server with schema types: zod schemas check requests, shape answers and make the OpenAPI page. */
export type Api = ReturnType<typeof create>;

/** The reducer's HTTP API, not listening yet, and all its routes. OpenAPI at /docs. */
export async function buildApi(context: ApiContext): Promise<{ api: Api; routes: readonly GuardedRoute[] }> {
  const app = create();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  keepRawBodies(app);
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Consilium reducer',
        version: productVersion,
        description: 'Federated learning for hospitals',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  const routes = guardRoutes(app as never, context);
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(context, error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const error = new ConsiliumError('NOT_FOUND', `${request.method} ${request.url}`);
    return reply.code(error.http).send(error.toBody());
  });
  probeRoutes(app, context);
  await app.register(
    async (scope) => {
      const api = scope.withTypeProvider<ZodTypeProvider>() as Api;
      enrolmentRoutes(api, context);
      peopleRoutes(api, context);
      fleetRoutes(api, context);
      packageRoutes(api, context);
      sessionRoutes(api, context);
      modelRoutes(api, context);
      trailRoutes(api, context);
      systemRoutes(api, context);
    },
    { prefix: '/api/v1' },
  );
  await app.ready();
  return { api: app, routes };
}

/** A signed request covers the digest of the bytes as sent, so they are kept beside what was parsed. */
function keepRawBodies(app: Api): void {
  // Also text/plain, which fastify reads by default and no route of ours takes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    request.rawBody = bytes;
    if (bytes.length === 0) {
      done(null, undefined);
      return;
    }
    try {
      done(null, parseBody(bytes));
    } catch (cause) {
      const detail = cause instanceof ConsiliumError ? cause.detail : 'The body is not JSON.';
      done(new ConsiliumError('BAD_REQUEST', detail, { where: request.url, cause }), undefined);
    }
  });
}

/** What reads a body later descends into it; deeper than this no request of ours goes, and a stack has an end. */
const deepestBody = 64;

function parseBody(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > deepestBody) {
      throw new ConsiliumError('BAD_REQUEST', `The body is nested more than ${deepestBody} levels deep.`);
    }
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return value;
}

function answerError(
  context: ApiContext,
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): unknown {
  const known = toConsiliumError(error, request);
  if (known.http >= 500)
    context.log.error({ err: error, path: request.url, code: known.code }, known.message);
  return reply.code(known.http).send(known.toBody());
}

function toConsiliumError(error: FastifyError, request: FastifyRequest): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issue = error.validation[0];
    const field = issue?.instancePath.replace(/^\//, '').replaceAll('/', '.') ?? '';
    const isSpec = field.startsWith('spec') && request.url.startsWith('/api/v1/sessions');
    const where = field === '' ? (error.validationContext ?? 'body') : field;
    return new ConsiliumError(
      isSpec ? 'SESSION_BAD_SPEC' : 'BAD_REQUEST',
      `${issue?.message ?? error.message}.`,
      { where },
    );
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return badRequest(error, request.url);
  return asConsiliumError(error);
}

function badRequest(error: FastifyError, url: string): ConsiliumError {
  const code = error.statusCode === 413 ? 'BODY_TOO_LARGE' : 'BAD_REQUEST';
  return new ConsiliumError(code, `${error.message}.`, { where: url.slice(0, 300) });
}
