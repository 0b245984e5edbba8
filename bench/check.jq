# Are these the runs of one results folder? Input: the lines of results.jsonl as raw strings; $host: host.json. Prints
# them as an array, or ends with an error that says which line is wrong and how.
# The lines are parsed before they are looked at: up to jq 1.6, try also catches errors that come after it.

# What is wrong with a record, in a word; nothing if all is of its kind. What is absent is no figure.
def numbers: ["block_bytes", "message_bytes", "median_mb_s", "median_mb_per_s", "mb_per_s", "count", "min_us", "median_us",
    "p90_us", "p99_us", "p999_us", "load_ns", "store_mb_s"];
def strings: ["record", "program", "version", "copy", "role", "mapping", "verdict", "memory_type", "from", "to"];
def fault: if type != "object" then "a record that is none"
    else . as $record
    | [(numbers[] | select($record[.] | type | IN("number", "null") | not) | "\(.) that is no number"),
       (strings[] | select($record[.] | type | IN("string", "null") | not) | "\(.) that is no word"),
       (select(.histogram_us | type != "null" and (type != "array" or (all(.[]; type == "array" and map(type) == ["number", "number"]) | not)))
        | "a histogram_us that is none")][0] // empty
    end;

$host[0] as $host | [inputs | try fromjson catch "broken"]
| if . == [] then error("it has no run") else . end
| to_entries | map(
    (.key + 1) as $line | .value
    | if . == "broken" then error("line \($line) is broken or cut off")
      elif (type != "object") or (has("schema") | not) then error("line \($line) is no record of bench.sh")
      elif .schema != $host.schema then error("line \($line) has schema \(.schema), host.json has \($host.schema)")
      elif .machine != $host.machine then error("line \($line) was made by another run than host.json")
      elif [.id, .where, .began, .said] | all(type == "string") | not then error("line \($line) lacks a field")
      elif [.round, .seconds, .others_cpus, .steal, .status] | all(type == "number") | not then error("line \($line) lacks a number")
      elif (.records | type) != "array" then error("line \($line) lacks its records")
      elif [.records[] | fault] != [] then error("line \($line) (\(.id)) has \([.records[] | fault][0])")
      else . end)
