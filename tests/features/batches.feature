Feature: Batches
  A client may hand in many orders at once, one a line (NDJSON). It is told what
  became of each line, in the order of the lines: a line that is refused, or is
  no order, ends nothing.

  Rule: Every line has its own result

    Scenario: One result of each kind
      Given a service
      And it refuses values above 1000
      And order "old" is processed
      When the client submits the batch
        """
        {"id":"a","value":1}

        {"id":"b","value":1001}
        {"id":"old","value":1.0}
        {"id":"old","value":2}
        {"id":"c d","value":1}
        not an order
        {"id":"e","value":1}
        """
      Then the results are
        | line | id  | status    | outcome   | seq | detail                           |
        | 1    | a   | processed |           | any |                                  |
        | 3    | b   | failed    |           | any | value is above the limit of 1000 |
        | 4    | old | duplicate | processed | 1   |                                  |
        | 5    | old | conflict  |           |     | other content                    |
        | 6    |     | invalid   |           |     | has ' ' at byte 1                |
        | 7    |     | invalid   |           |     | expected a JSON object           |
        | 8    | e   | processed |           | any |                                  |
      And in the end the service has counted 4 accepted, 3 processed, 1 failed, 1 duplicate, 1 refused as conflict and 2 refused as invalid

    Scenario: The same order twice in a batch
      Given a service
      When the client submits the batch
        """
        {"id":"a","value":100.5}
        {"value":"100.50","id":"a"}
        {"id":"a","value":100.51}
        """
      Then the results are
        | line | id | status    | outcome   | seq | detail        |
        | 1    | a  | processed |           | 1   |               |
        | 2    | a  | duplicate | processed | 1   |               |
        | 3    | a  | conflict  |           |     | other content |

    Scenario: The same batch again
      Given a service
      When the client submits a batch of 50 orders
      And the client submits the same batch again
      Then all 50 lines are "duplicate"
      And in the end the service has counted 50 accepted, 50 processed and 50 duplicates

    Scenario: Nothing but blank lines
      Given a service
      When the client submits a batch of blank lines
      Then there are no results

  Rule: A batch waits for room in the queue, as long as a client may wait

    Scenario: It is longer than the queue
      Given a service
      And its only worker takes 1ms for an order
      And its queue has room for 10 orders
      When the client submits a batch of 100 orders
      Then all 100 lines are "processed"

    Scenario: There is no room in time: this line and those after it are rejected
      Given a service
      And its only worker never gets done with an order
      And its queue has room for 4 orders
      And it answers "queued" when there is no outcome after 200ms
      When the client submits a batch of 20 orders
      Then the first lines are "queued", and the others "rejected"
      And no line that is "rejected" is known

    Scenario: A batch leaves half of the queue to single orders
      Given a service
      And its only worker never gets done with an order
      And its queue has room for 4 orders
      And it answers "queued" when there is no outcome after 200ms
      When the client submits a batch of 20 orders
      Then the first lines are "queued", and the others "rejected"
      When the client submits order "single" worth 1, preferring not to wait
      Then the client is told that the order is queued

    Scenario: Its client does not want to wait for outcomes
      Given a service
      And its only worker never gets done with an order
      When the client submits a batch of 5 orders, preferring not to wait
      Then all 5 lines are "queued"

  Rule: Batches have limits

    Scenario: More lines than a batch may have
      Given a service
      And a batch may have 3 orders
      When the client submits a batch of 5 orders
      Then the results are
        | line | id      | status    | seq | detail                     |
        | 1    | batch-1 | processed | any |                            |
        | 2    | batch-2 | processed | any |                            |
        | 3    | batch-3 | processed | any |                            |
        | 4    |         | rejected  |     | the batch is over 3 orders |
        | 5    |         | rejected  |     | the batch is over 3 orders |

    Scenario: More batches at once than there may be
      Given a service
      And there may be 1 batch at a time
      And a batch is being sent
      When the client submits a batch of 5 orders
      Then the batch is refused as a whole, and may be sent again later

    Scenario: A batch that breaks off: what came in stands
      Given a service
      And a batch is being sent
      When it breaks off after the line of order "ord-001"
      Then in the end order "ord-001" is on record as processed

  Rule: Over gRPC, many orders are sent on one stream

    Scenario: One result for each order, in their order
      Given a service
      And it refuses values above 1000
      And order "old" is processed
      When the client sends on one stream
        """
        {"id":"a","value":1,"side":"buy"}
        {"id":"b","value":1001}
        {"id":"old","value":1.0}
        {"id":"old","value":2}
        {"id":"c d","value":1}
        {"id":"e","value":1}
        """
      Then the results are
        | line | id  | status    | outcome   | seq | detail                           |
        | 1    | a   | processed |           | any |                                  |
        | 2    | b   | failed    |           | any | value is above the limit of 1000 |
        | 3    | old | duplicate | processed | 1   |                                  |
        | 4    | old | conflict  |           |     | other content                    |
        | 5    | c d | invalid   |           |     | has ' ' at byte 1                |
        | 6    | e   | processed |           | any |                                  |
      And in the end the service has counted 4 accepted, 3 processed, 1 failed, 1 duplicate, 1 refused as conflict and 1 refused as invalid
