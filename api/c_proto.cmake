# Copies IN to OUT with `optional TYPE NAME = N;` as `oneof NAME_is { TYPE NAME = N; }`.
file(READ ${IN} text)
string(REGEX REPLACE "optional ([a-z0-9]+ ([a-z_]+) = [0-9]+)" "oneof \\2_is { \\1; }" text "${text}")
file(WRITE ${OUT} "${text}")
