# Checks that the lines of results.jsonl belong together. Input: the lines as raw strings; $host: host.json. Prints them as an
# array, or ends with an error that says which line is wrong and how.
# The lines are parsed before they are looked at: up to jq 1.6, `try` also catches errors that come after it.

def texts: ["id", "where", "began", "said"];
def numbers: ["round", "seconds", "others_cpus", "steal", "status"];
def record_numbers: ["block_bytes", "message_bytes", "median_mb_s", "median_mb_per_s", "mb_per_s", "count", "min_us", "median_us",
    "p90_us", "p99_us", "p999_us", "clock_step_us", "mean_of_64_us", "load_ns", "store_mb_s", "seen_buffered", "seen_fenced",
    "readings_ns", "rest_ns", "whole_ns"];
def record_texts: ["record", "program", "version", "copy", "role", "mapping", "verdict", "memory_type", "from", "to"];
def is_histogram: type == "array" and all(.[]; type == "array" and map(type) == ["number", "number"]);

def is_parts: type == "array" and all(.[]; type == "object" and (.part | type == "string") and (.measured | type == "boolean")
    and (if .measured then .ns else .below_ns end | type == "number"));

# Of the names that are piped in, those whose value in $of is not of type $kind.
def without($of; $kind): .[] | select($of[.] | type != $kind);

# What is wrong with a record; nothing if all is well. A field may be missing.
def fault: if type != "object" then "a record that is not an object"
    else with_entries(select(.value != null)) as $record
    | [(record_numbers - (record_numbers - ($record | keys)) | without($record; "number") | "a \(.) that is not a number"),
       (record_texts - (record_texts - ($record | keys)) | without($record; "string") | "a \(.) that is not a text"),
       ($record.histogram_us | select(. != null and (is_histogram | not)) | "a histogram_us that is not pairs of numbers"),
       ($record | select(.record == "stream-parts") | (["parts"] | without($record; "array")), (["whole_ns", "rest_ns", "readings_ns"] | without($record; "number"))
           | "no \(.)"),
       ($record.parts | select(. != null and (is_parts | not)) | "parts that are not measured or below a number")][0] // empty
    end;

$host[0] as $host | [inputs | try fromjson catch "broken"]
| if . == [] then error("it has no run") else . end
| to_entries | map(
    "line \(.key + 1)" as $line | .value
    | if . == "broken" then error("\($line) is broken or cut off")
      elif (type != "object") or (has("schema") | not) then error("\($line) is not a record of bench.sh")
      elif .schema != $host.schema then error("\($line) has schema \(.schema), host.json has \($host.schema)")
      elif .machine != $host.machine then error("\($line) is of another run than host.json")
      else . as $run
      | [(texts | without($run; "string")), (numbers | without($run; "number")), (["records"] | without($run; "array"))] as $lacks
      | if $lacks != [] then error("\($line) lacks \($lacks | join(", "))") else . end
      | [.records[] | fault] as $faults
      | if $faults != [] then error("\($line) (\(.id)) has \($faults[0])") else . end
      end)
