import { describe, expect, it } from 'vitest';
import { checkExposure, checkToken, gatekeeper } from '../../src/serve/access.js';

const token = 'a-token-of-length-22!!';
const refused = (code: string, status: number) => expect.objectContaining({ code, status });

describe('a token', () => {
  it.each([token, '0123456789abcdef'])('may be %s', (good) => {
    expect(() => checkToken(good, 'PANPP_TOKEN')).not.toThrow();
  });

  it.each([
    ['', /^PANPP_TOKEN: the token has 0 characters and needs at least 16; .*openssl rand/],
    ['short', /has 5 characters/],
    ['a token with spaces in it', /one line of printable ASCII/],
    ['two\nlines that are long enough', /one line of printable ASCII/],
    ['pässwörter sind kein ASCII', /one line of printable ASCII/],
  ])('may not be %j', (bad, message) => {
    expect(() => checkToken(bad, 'PANPP_TOKEN')).toThrow(message);
  });

  it('is needed where others can connect', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(() => checkExposure(host, undefined)).not.toThrow();
    for (const host of ['0.0.0.0', '::', '', '10.0.0.7', 'example.org', '127.0.0.1.example.org']) {
      expect(() => checkExposure(host, undefined), host).toThrow(/--token-file .* PANPP_TOKEN/);
      expect(() => checkExposure(host, token)).not.toThrow();
    }
  });
});

describe('requests', () => {
  it('need the token, if there is one', () => {
    const check = gatekeeper(token);
    for (const scheme of ['Bearer', 'bearer'])
      expect(() => check({ authorization: `${scheme} ${token}` })).not.toThrow();
    for (const wrong of [
      undefined,
      '',
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      'Bearer ',
    ])
      expect(() => check({ authorization: wrong }), wrong).toThrow(refused('unauthorized', 401));
  });

  it('of other sites’ pages are refused without a token', () => {
    const check = gatekeeper(undefined);
    for (const origin of [
      undefined,
      'http://localhost:3000',
      'http://127.0.0.1',
      'http://[::1]:80',
    ])
      expect(() => check({ origin })).not.toThrow();
    for (const origin of ['https://example.org', 'null', 'http://localhost.example.org'])
      expect(() => check({ origin }), origin).toThrow(refused('forbidden', 403));
    expect(() =>
      gatekeeper(token)({ origin: 'https://example.org', authorization: `Bearer ${token}` }),
    ).not.toThrow();
  });
});
