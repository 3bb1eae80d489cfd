-- The zone of the region that an international telephone number is of; NULL where there are several,
-- or nobody knows. As `PhoneRegion` has it: a test compares the two. Not STRICT, which would keep it
-- from being inlined.
CREATE FUNCTION herald_phone_zone(phone text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE
    WHEN starts_with(phone, '+852') THEN 'Asia/Hong_Kong'
    WHEN starts_with(phone, '+853') THEN 'Asia/Macau'
    WHEN starts_with(phone, '+886') THEN 'Asia/Taipei'
    WHEN starts_with(phone, '+966') THEN 'Asia/Riyadh'
    WHEN starts_with(phone, '+971') THEN 'Asia/Dubai'
    WHEN starts_with(phone, '+31') THEN 'Europe/Amsterdam'
    WHEN starts_with(phone, '+33') THEN 'Europe/Paris'
    WHEN starts_with(phone, '+34') THEN 'Europe/Madrid'
    WHEN starts_with(phone, '+39') THEN 'Europe/Rome'
    WHEN starts_with(phone, '+44') THEN 'Europe/London'
    WHEN starts_with(phone, '+49') THEN 'Europe/Berlin'
    WHEN starts_with(phone, '+60') THEN 'Asia/Kuala_Lumpur'
    WHEN starts_with(phone, '+63') THEN 'Asia/Manila'
    WHEN starts_with(phone, '+65') THEN 'Asia/Singapore'
    WHEN starts_with(phone, '+66') THEN 'Asia/Bangkok'
    WHEN starts_with(phone, '+81') THEN 'Asia/Tokyo'
    WHEN starts_with(phone, '+82') THEN 'Asia/Seoul'
    WHEN starts_with(phone, '+84') THEN 'Asia/Ho_Chi_Minh'
    WHEN starts_with(phone, '+86') THEN 'Asia/Shanghai'
    WHEN starts_with(phone, '+91') THEN 'Asia/Kolkata'
  END;
