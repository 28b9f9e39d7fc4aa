// `npm run docs`: the API's pages and the documents beside them, to docs/api. A public name without
// documentation, a link that leads nowhere or a type that is referred to and not exported is an
// error.
import { Converter, OptionDefaults, ReflectionKind } from 'typedoc';

/** Documents are called by their first heading, not by their file's name. */
function titledByHeading({ converter }) {
  converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const [heading] = document.content;
    document.name = /^# (.+)$/m.exec(heading.text)?.[1] ?? document.name;
  });
}

/**
 * Members of a type that is written in place, such as a function's `{ regions, labels }`, are told
 * of where it is written.
 */
function membersInPlaceNeedNoComment(app) {
  const { Parameter, Property, TypeAlias, TypeLiteral } = ReflectionKind;
  const isWithin = ({ parent }, kinds) =>
    parent !== undefined && (parent.kindOf(kinds) || isWithin(parent, kinds));
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    const members = project.getReflectionsByKind(Property).filter(
      // Parameters' members are not looked at; those of a named type need their comments.
      (member) =>
        member.parent.kindOf(TypeLiteral) &&
        !isWithin(member, Parameter | TypeAlias) &&
        !member.hasComment(),
    );
    app.options.setValue(
      'intentionallyNotDocumented',
      members.map((member) => member.getFriendlyFullName()),
    );
  });
}

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  plugin: [titledByHeading, membersInPlaceNeedNoComment],
  name: 'panpp',
  entryPoints: ['src/index.ts', 'src/node.ts', 'src/formats/index.ts', 'src/tuning/index.ts'],
  tsconfig: 'tsconfig.types.json',
  out: 'docs/api',
  readme: 'README.md',
  projectDocuments: [
    ...[
      'docs/how-it-works.md',
      'docs/shards.md',
      'docs/tuning.md',
      'docs/bring-your-own-checkpoint.md',
      'docs/spec.md',
    ],
    ...[
      'training/README.md',
      'weights/README.md',
      'bench/README.md',
      'bench/RESULTS.md',
      'CHANGELOG.md',
    ],
  ],
  // The repository's address is not known here.
  disableSources: true,
  sort: ['source-order'],
  highlightLanguages: [...OptionDefaults.highlightLanguages, 'python'],
  validation: {
    notDocumented: true,
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    rewrittenLink: true,
    unusedMergeModuleWith: true,
  },
  treatWarningsAsErrors: true,
};
