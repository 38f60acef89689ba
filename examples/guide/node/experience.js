// Changes an experience in place: node experience.js UUID
'use strict';

const exp = require('expd').start();

exp
  .getExperience(process.argv[2])
  .then((experience) => {
    experience.document.name = 'new name';
    return experience.save().then(() => console.log(experience.document));
  })
  .finally(() => exp.stop());
