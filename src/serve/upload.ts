// The image that a request brings: as its body, or as a file of a form.
import type { FastifyRequest } from 'fastify';
import type {} from '@fastify/multipart';
import { firstLine, quoted } from '../errors.js';
import { ServiceError } from './errors.js';

/** What a request brings. */
export interface Upload {
  /** Bytes of the image's file. */
  readonly bytes: Uint8Array;
  /** The file's name, if it has one. */
  readonly name?: string;
  /** Bytes of a lexicon, one word per line. */
  readonly lexicon?: Uint8Array;
}

/** The parts of a form that are read. */
type PartName = 'image' | 'lexicon';

/**
 * Reads a request's body.
 * @param reads whether a lexicon is taken
 * @throws ServiceError `body` without an image, or for a form with other parts; Fastify's errors for
 * a body that is too large or damaged
 */
export async function readUpload(request: FastifyRequest, reads: boolean): Promise<Upload> {
  if (!request.isMultipart()) {
    const body = request.body as Uint8Array | undefined;
    if (body) return { bytes: body };
    throw new ServiceError(
      400,
      'body',
      'the request has no image; it is the body, or the part image of a form; with curl: -F image=@FILE',
    );
  }
  const parts = await partsOf(request, reads ? ['image', 'lexicon'] : ['image']);
  const image = parts.get('image');
  if (!image)
    throw new ServiceError(400, 'body', 'the form has no part image; with curl: -F image=@FILE');
  return { ...image, lexicon: parts.get('lexicon')?.bytes };
}

async function partsOf(request: FastifyRequest, names: readonly PartName[]) {
  const parts = new Map<PartName, { bytes: Uint8Array; name?: string }>();
  try {
    for await (const part of request.parts()) {
      const field = names.find((name) => name === part.fieldname);
      if (!field || parts.has(field))
        throw new ServiceError(
          400,
          'body',
          `the form has a part ${quoted(part.fieldname)} ${field ? 'twice' : 'that is not known'}; it takes ${names.join(' and ')}, settings are query parameters`,
        );
      if (part.type === 'file') {
        parts.set(field, { bytes: await part.toBuffer(), name: part.filename || undefined });
        continue;
      }
      if (typeof part.value !== 'string')
        throw new ServiceError(
          400,
          'body',
          `the part ${field} is ${part.mimetype}; send it as text or as a file: -F ${field}=@FILE`,
        );
      // The form's parser cuts long texts, and has decoded them.
      if (part.valueTruncated)
        throw new ServiceError(
          413,
          'too-large',
          `the part ${field} is a text of over 1 MiB; send it as a file: -F ${field}=@FILE`,
        );
      parts.set(field, { bytes: Buffer.from(part.value) });
    }
  } catch (error) {
    // Those of the parser itself have no status.
    if (error instanceof ServiceError || 'statusCode' in Object(error)) throw error;
    throw new ServiceError(400, 'body', `the form can't be read (${firstLine(error)})`);
  }
  return parts;
}
