# Where the names of curves are, in a plot whose y axis is logarithmic: heights are from 0 to 1. For tables.jq.

# The height of y in the plot, and back. $range: x from, to, y from, to.
def height($range): (. / $range[2] | log) / ($range[3] / $range[2] | log);
def at_height($range): $range[2] * pow($range[3] / $range[2]; .);

# The parts of a plot's height that a line of words takes, and of its width that a letter takes.
def line_height: 0.075;
def letter_width: 0.022;

# --- At the right end

# Heights that are a line apart or more and within the plot, each as near to its own as that allows. Input: sorted heights.
def upward($least): reduce .[] as $height ([]; . + [[$height, (.[-1] // ($least - line_height)) + line_height] | max]);
def downward($most): map(-.) | reverse | upward(-$most) | map(-.) | reverse;
def apart: [upward(0), downward(1)] | transpose | map(add / 2) | upward(0) | downward(1);

# --- Beside the curve, at the first place from the left where a name is near its own curve and near no other

# The columns that the plot is looked at in.
def columns: 80;

# The height of a curve at $x, or null beyond its end. Input: its points, [x, height].
def height_at($x): (map(select(.[0] <= $x)) | last) as $left | first((.[] | select(.[0] > $x)), null) as $right
    | if $left == null then $right[1]
      elif $left[0] == $x then $left[1]
      elif $right == null then null
      else $left[1] + ($right[1] - $left[1]) * ($x - $left[0]) / ($right[0] - $left[0]) end;

# What a curve takes of each column, {low, high}, or null beyond its end. Input: its points.
def profile($range): map([.[0], (.[1] | height($range))]) as $points
    | [range(columns + 1) | . * $range[1] / columns] as $edges
    | [$edges[] as $x | $points | height_at($x)] as $heights
    | [range(columns) as $i | if $heights[$i + 1] == null then null else
        [$heights[$i, $i + 1], ($points[] | select(.[0] > $edges[$i] and .[0] < $edges[$i + 1])[1])] | {low: min, high: max} end];

# Places for a name: above or below the curve, from each column on in which it is not too steep for that; and left or right of it,
# where it is steep. $own: the profile of the curve.
def above_or_below($own; $wide):
    range(1; columns - $wide) as $begin | $own[$begin:$begin + $wide] | select(all(.[]; . != null))
    | (map(.high) | max) as $high | (map(.low) | min) as $low | select($high - $low < 1.5 * line_height)
    | {side: "above", low: ($high + 0.2 * line_height)}, {side: "below", low: ($low - 1.2 * line_height)}
    | . + {$begin};
def left_or_right($own; $wide):
    range(1; 1 / line_height | floor) * line_height as $low
    | [range(columns) | select($own[.] as $ours | $ours != null and $ours.high > $low and $ours.low < $low + line_height)]
    | select(length > 0 and .[-1] - .[0] <= 2)
    | {side: "left", begin: (.[0] - $wide)}, {side: "right", begin: (.[-1] + 1)} | . + {$low};
def places($own; $wide): above_or_below($own; $wide), left_or_right($own; $wide)
    | . + {until: (.begin + $wide), high: (.low + line_height)}
    | select(.low >= 0 and .high <= 1 and .begin >= 0 and .until <= columns);

# Is a place clear of another curve? Beyond the own curve, that one may come close. $own, $other: profiles. Input: the place.
def is_clear($own; $other): . as $place | (0.3 * line_height) as $gap
    | all($place | range([.begin - 1, 0] | max; [.until + 1, columns] | min);
        $own[.] as $ours | $other[.] as $theirs
        | $theirs == null or $theirs.low > $place.high + $gap or $theirs.high < $place.low - $gap
            or ($place.side == "above" and $ours != null and $theirs.high <= $ours.high)
            or ($place.side == "below" and $ours != null and $theirs.low >= $ours.low));

def overlaps($other): .begin <= $other.until and $other.begin <= .until and .low < $other.high and $other.low < .high;

# The names: [x, y, name] each; null if one has no place. Input: the curves, {name, points}.
def beside_curves($range):
    map({name, profile: (.points | profile($range))}) as $curves
    | reduce range($curves | length) as $i ([]; . as $taken | $curves[$i] as $own
        | . + [first((places($own.profile; $own.name | length * letter_width * columns | ceil) as $place
            | select(all($curves[:$i][], $curves[$i + 1:][]; .profile as $other | $place | is_clear($own.profile; $other))
                and all($taken[] | values; . as $before | $place | overlaps($before) | not)) | $place), null)])
    | if any(.[]; . == null) then null else
        [., $curves] | transpose | map([.[0].begin * $range[1] / columns, (.[0] | (.low + .high) / 2 | at_height($range)), .[1].name]) end;
