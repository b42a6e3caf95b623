'use strict';
const tseslint = require('typescript-eslint');

/** One module starts processes; everything else asks it (design: "One process seam"). */
const PROCESS_SEAM = [
  { name: 'execa', message: 'Only packages/host/src/process.ts starts processes.' },
  { name: 'node:child_process', message: 'Only packages/host/src/process.ts starts processes.' },
];
const PROGRAMS = ['@qubes-qos/mangle-agent/*', '@qubes-qos/tc-agent/*', '@qubes-qos/qvm-qos/*'];

module.exports = tseslint.config(
  { ignores: ['dist/', '**/.types/', '.cache/', 'coverage/', 'node_modules/'] },
  {
    files: ['packages/**/*.ts', 'test/**/*.ts', 'vitest.config.mts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.mts'] },
        tsconfigRootDir: __dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-imports': ['error', { paths: PROCESS_SEAM }],
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['packages/core/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: PROCESS_SEAM, patterns: [{ group: ['@qubes-qos/host/*', 'node:*', ...PROGRAMS] }] },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'core is pure and synchronous.' },
      ],
    },
  },
  {
    files: ['packages/{host,mangle-agent,tc-agent,qvm-qos}/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { paths: PROCESS_SEAM, patterns: [{ group: PROGRAMS }] }],
    },
  },
  { files: ['packages/host/src/process.ts'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
