"""Changes an experience in place.

    python experience.py [UUID]
"""

import sys

import expd

exp = expd.start()
uuid = sys.argv[1] if len(sys.argv) > 1 else exp.create_experience({"name": "old name"}).uuid

experience = exp.get_experience(uuid)
experience.document["name"] = "new name"
experience.save()

print("the experience is now called", exp.get_experience(uuid).name)
