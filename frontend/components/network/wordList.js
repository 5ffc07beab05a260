// 256 words that sound unlike each other: no two begin with the same four letters or are fewer than three letters apart. Their order is part of what is shown; it never changes. The program reads this file too, for 'dawn id --words', as far as the marks around the list.
export const wordList = `
abbey acorn adobe agent album alpine anchor angel ankle anthem apron arctic armor aspen atlas autumn
badge baker bamboo banjo barrel basil bazaar beacon beetle birch bishop bronze brush bucket burrow butter
cabin cactus camel canoe carpet castle cedar celery cello cherry chisel circus clover cobalt coffee copper
cotton coyote cradle crayon crown dagger dahlia daisy denim desert diesel dinner doctor domino donkey drawer
drum dusk dynamo eagle echo elbow ember engine fabric falcon fiddle fiesta fjord flute forest forge
fossil galaxy garden garlic geyser goblet grape guava guitar hammer hawk helmet hippo hotel igloo indigo
insect island ivory jaguar jewel jigsaw jungle kayak kennel kiwi knight koala ladder lagoon lemon lilac
lizard lotus lyric magnet mammoth marble meadow meteor microbe minute mirror mitten moose mosaic muffin mural
museum mustard napkin nebula nectar nephew neptune nickel noodle nugget nutmeg obelisk ocean octopus olive omelet
onion opera orange orbit orchid oregano ostrich oxygen palace pancake panda papaya parrot peanut pebble pelican
pencil penguin phoenix piano pigeon pigment pillow pirate pixel plywood polar pollen pony potato prairie pretzel
pumpkin puppet pyramid quarry quilt quiver quokka rabbit raccoon radish raisin ranch raven rhubarb ribbon rodeo
rowboat ruby saffron sardine sequoia shelter silver skate skyline sled snorkel sofa spider spinach spruce squash
stable sugar summit sunset swallow swan syrup taxi teapot temple thistle thunder tiger toast topaz tractor
trellis trumpet tulip turtle tuxedo typhoon unicorn urban utensil valley vampire vanilla vertigo violin volcano vortex
voyage vulture waffle walnut weasel whale wheat window wolf wombat yacht yogurt zebra zenith zigzag zodiac
`.trim().split(/\s+/);
