// Who may use the service: a bearer token, or nobody but this machine.
import { createHash, timingSafeEqual } from 'node:crypto';
import { PanppError } from '../errors.js';
import { ServiceError } from './errors.js';

/** Shorter tokens could be guessed. */
const shortestToken = 16;

/**
 * Checks a token that the operator gave.
 * @param source where it comes from, for the error
 * @throws PanppError `argument` if it is too short, or can't be sent in a header
 */
export function checkToken(token: string, source: string): void {
  if (!/^[\x21-\x7e]*$/.test(token))
    throw new PanppError(
      'argument',
      `${source}: a token is one line of printable ASCII without spaces`,
    );
  if (token.length < shortestToken)
    throw new PanppError(
      'argument',
      `${source}: the token has ${token.length} characters and needs at least ${shortestToken}; \`openssl rand -hex 32\` makes one`,
    );
}

/** @throws PanppError `argument` if others than this machine could use the service without a token */
export function checkExposure(host: string, token: string | undefined): void {
  if (token !== undefined || isLoopback(host)) return;
  throw new PanppError(
    'argument',
    `${host} can be reached from other machines, so a token is needed; set --token-file or the variable PANPP_TOKEN, or listen on 127.0.0.1`,
  );
}

/** Returns a check of requests, which throws a `ServiceError` for those that are refused. */
export function gatekeeper(
  token: string | undefined,
): (headers: { readonly authorization?: string; readonly origin?: string }) => void {
  if (token === undefined) return ({ origin }) => refuseOtherSites(origin);
  const expected = digest(token);
  return ({ authorization }) => {
    const [, given] = /^bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '') ?? [];
    // Digests have one length, so that the comparison's time says nothing about the token.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    const what = given === undefined ? 'a bearer token is needed' : 'the bearer token is wrong';
    throw new ServiceError(401, 'unauthorized', `${what}; send Authorization: Bearer TOKEN`, {
      'www-authenticate': 'Bearer realm="panpp"',
    });
  };
}

// A page of any site can send requests to this machine from its visitor's browser, which names the
// site.
function refuseOtherSites(origin: string | undefined): void {
  if (origin === undefined) return;
  const host = URL.canParse(origin) ? new URL(origin).hostname : '';
  if (isLoopback(host)) return;
  throw new ServiceError(
    403,
    'forbidden',
    'requests from web pages of other sites are refused; start panpp serve with a token to allow them',
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || /^127(\.\d{1,3}){3}$|^\[?::1\]?$/.test(host);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
