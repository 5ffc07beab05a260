// The package has no types of its own.
declare module "@highlightjs/cdn-assets/es/*";
