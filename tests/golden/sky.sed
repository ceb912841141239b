# What a copy of operators/adjust/place.c needs to become a factor of one's own, as in README.md.
s/static const char \*const places\[\] = .*/static const char *const skies[] = {"sun", "rain", "snow", NULL};/
s/\.names = places/.names = skies/
s/this kind of place (home, work, on the/this weather (sun, rain, snow)/
s/place/sky/g
